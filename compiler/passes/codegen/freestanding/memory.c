/* SPDX-License-Identifier: MIT
 *
 * The functions that LLVM may call by itself when it lowers copies and fills. Compiled without builtins, or each would
 * be recognised as a call of itself.
 */
#include <stddef.h>
#include <stdint.h>

/* Sixteen bytes of any alignment. */
typedef struct chunk {
  uint64_t words[2];
} __attribute__((packed, may_alias)) chunk;

/* Lowest address first; right for overlapping bytes too where dst is the lower: a chunk is read before it is written.
 */
static void *copyForward(void *dst, const void *src, size_t sizeBytes) {
  char *to = dst;
  const char *from = src;
  for (; sizeBytes >= sizeof(chunk); sizeBytes -= sizeof(chunk), to += sizeof(chunk), from += sizeof(chunk)) {
    const chunk *source = (const chunk *)from;
    const uint64_t first = source->words[0], second = source->words[1];
    chunk *target = (chunk *)to;
    target->words[0] = first;
    target->words[1] = second;
  }
  for (; sizeBytes; --sizeBytes)
    *to++ = *from++;
  return dst;
}

__attribute__((visibility("hidden"))) void *memcpy(void *restrict dst, const void *restrict src, size_t sizeBytes) {
  return copyForward(dst, src, sizeBytes);
}

__attribute__((visibility("hidden"))) void *memmove(void *dst, const void *src, size_t sizeBytes) {
  if ((uintptr_t)dst - (uintptr_t)src >= sizeBytes)
    return copyForward(dst, src, sizeBytes);
  char *to = dst;
  const char *from = src;
  while (sizeBytes) {
    --sizeBytes;
    to[sizeBytes] = from[sizeBytes];
  }
  return dst;
}

__attribute__((visibility("hidden"))) void *memset(void *dst, int byte, size_t sizeBytes) {
  char *to = dst;
  const uint64_t word = 0x0101010101010101u * (uint8_t)byte;
  for (; sizeBytes >= sizeof(chunk); sizeBytes -= sizeof(chunk), to += sizeof(chunk))
    *(chunk *)to = (chunk){{word, word}};
  for (; sizeBytes; --sizeBytes)
    *to++ = (char)byte;
  return dst;
}

__attribute__((visibility("hidden"))) int memcmp(const void *lhs, const void *rhs, size_t sizeBytes) {
  const uint8_t *left = lhs, *right = rhs;
  for (size_t i = 0; i < sizeBytes; ++i)
    if (left[i] != right[i])
      return left[i] - right[i];
  return 0;
}
