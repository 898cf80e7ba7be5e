/* SPDX-License-Identifier: MIT
 *
 * What a plugin says about itself before any of its code runs: C11 and C++, self-contained.
 *
 * A plugin is a shared object with one note: name "Kvasir", type KV_NOTE_TYPE, in section .note.kvasir of the first
 * loaded segment. Its body is a kv_manifest, followed at once (at manifest.size) by the description: JSON in UTF-8,
 * description_size bytes, with functions, slots and layouts. plugins/README.md specifies both.
 *
 * Two ways to make one. `kvasir-compile` seals its files: flag KV_SEALED, sizes, hashes, sections and weights are all
 * there, and the loader holds the file to them. A person who writes C puts KV_PLUGIN_NOTE into one source file and
 * links a shared object: nothing is sealed, there are no sections and no weights.
 *
 * In the file the manifest is little-endian and only 4-aligned: copy it out. Fields are only ever appended.
 */
#ifndef KVASIR_MANIFEST_H
#define KVASIR_MANIFEST_H

#include "kvasir/plugin.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KV_NOTE_NAME "Kvasir"
#define KV_NOTE_SECTION ".note.kvasir"
#define KV_NOTE_TYPE 0x4b560001u

/* Raised whenever a field of the manifest or a member of the description changes meaning. */
#define KV_FORMAT 1

/* Weights begin on this border: a multiple of every page size that Linux has on the machines we know. */
#define KV_WEIGHTS_BORDER 65536

/* Bytes under one leaf of the digest tree over the weights. */
#define KV_DIGEST_LEAF_BYTES 1048576

enum { KV_KIND_MODEL = 1, KV_KIND_BACKEND = 2 };

enum {
  KV_SEALED = 1,   /* sizes, hashes, directory and weights are filled; without it they are all zero */
  KV_SANITIZED = 2 /* code that needs a sanitizer's runtime: refused, since a plugin imports nothing */
};

/* Is this code being built with such a sanitizer? */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_HWADDRESS__) || defined(__SANITIZE_THREAD__)
#define KV_BUILT_SANITIZED KV_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(hwaddress_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define KV_BUILT_SANITIZED KV_SANITIZED
#endif
#endif
#ifndef KV_BUILT_SANITIZED
#define KV_BUILT_SANITIZED 0
#endif

/* The note must lie in its section as it is: no sanitizer may put red zones around it. */
#ifdef __clang__
#define KV_NOTE_ATTRIBUTES section(KV_NOTE_SECTION), used, aligned(4), no_sanitize("address", "hwaddress")
#else
#define KV_NOTE_ATTRIBUTES section(KV_NOTE_SECTION), used, aligned(4)
#endif

typedef struct kv_manifest {
  uint32_t size;             /* of this struct as its writer knew it */
  uint32_t format;           /* KV_FORMAT */
  uint32_t abi_min, abi_max; /* of kvasir/plugin.h */
  uint32_t kind;
  uint32_t flags;
  uint32_t page_bytes;       /* the segments' alignment; a machine with larger pages can't load the file */
  uint32_t description_size;
  uint64_t cpu_features[2];  /* needed whatever the variant; bits of plugins/cpu_features.h */
  uint8_t schema_hash[32];   /* SHA-256 of what the slots mean (not how they are stored), or zero */
  uint8_t fingerprint[32];   /* of source tensors, configuration and rope lane order: same model, same fingerprint */
  uint8_t build_id[32];      /* SHA-256 of the image with this field zero */
  uint64_t file_size;
  uint64_t image_size;       /* the shared object is bytes [0, image_size) of the file */
  uint64_t directory_offset; /* kv_section[directory_size / sizeof(kv_section)] */
  uint64_t directory_size;
  uint8_t directory_hash[32];
  uint64_t weights_offset; /* on KV_WEIGHTS_BORDER; the weights end the file */
  uint64_t weights_size;
  uint8_t weights_root[32]; /* SHA-256 of section "digests": SHA-256 of each KV_DIGEST_LEAF_BYTES of weights */
  char name[64];            /* printable ASCII, 0-terminated; the full name is in the description */
  char producer[32];
} kv_manifest;

/* One section behind the image: name, place and SHA-256. */
typedef struct kv_section {
  char name[32];
  uint64_t offset, size;
  uint8_t hash[32];
} kv_section;

/* Defines the note of a plugin written in C: KV_PLUGIN_NOTE(description, name), both string literals.
 * Not for C++, where an array can't be initialised without its final 0. */
#ifndef __cplusplus
#define KV_PLUGIN_NOTE(description_text, name_text)                                                                    \
  __attribute__((KV_NOTE_ATTRIBUTES)) static const struct __attribute__((packed)) {                                    \
    uint32_t name_size, body_size, type;                                                                               \
    char note_name[8];                                                                                                 \
    kv_manifest manifest;                                                                                              \
    char description[sizeof(description_text) - 1];                                                                    \
  } kvasir_note = {sizeof KV_NOTE_NAME,                                                                                \
                   sizeof(kv_manifest) + sizeof(description_text) - 1,                                                 \
                   KV_NOTE_TYPE,                                                                                       \
                   KV_NOTE_NAME,                                                                                       \
                   {.size = sizeof(kv_manifest),                                                                       \
                    .format = KV_FORMAT,                                                                               \
                    .abi_min = KV_ABI,                                                                                 \
                    .abi_max = KV_ABI,                                                                                 \
                    .kind = KV_KIND_MODEL,                                                                             \
                    .flags = KV_BUILT_SANITIZED,                                                                       \
                    .page_bytes = 4096,                                                                                \
                    .description_size = sizeof(description_text) - 1,                                                  \
                    .name = name_text,                                                                                 \
                    .producer = "hand-written"},                                                                       \
                   description_text}
#endif

#ifdef __cplusplus
}
#endif

#endif
