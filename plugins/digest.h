// SPDX-License-Identifier: MIT
// SHA-256, and the two-level digest tree over weights.
#ifndef KVASIR_PLUGINS_DIGEST_H
#define KVASIR_PLUGINS_DIGEST_H

#include "plugins/result.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvasir {

using Digest = std::array<uint8_t, 32>;

/// SHA-256 of all bytes. Cost: 1.4 GB/s with the SHA instructions, about 0.5 GB/s without (one thread).
Digest sha256(std::span<const uint8_t> bytes);

/// SHA-256 of a file's first `size` bytes, with `zeroSize` of them at `zeroOffset` taken as zero. Fails if the file is
/// shorter.
Result<Digest> imageDigest(int fd, uint64_t size, uint64_t zeroOffset, uint64_t zeroSize);

/// SHA-256 of each KV_DIGEST_LEAF_BYTES of the file's bytes [offset, offset + size), on all cores: 90 MB in 35 ms on
/// two. Reads with pread, so a file that is cut short meanwhile is a failure and no signal.
Result<std::vector<Digest>> leafDigests(int fd, uint64_t offset, uint64_t size);

/// The leaves as bytes (section "digests"), whose SHA-256 is the root.
std::span<const uint8_t> leafBytes(const std::vector<Digest> &leaves);

/// Lower-case hexadecimal of all bytes.
std::string toHex(std::span<const uint8_t> bytes);

/// As much of a digest as tells two apart, for people: "f78b56c22447cf5f…".
std::string shortHex(std::span<const uint8_t> digest);

} // namespace kvasir

#endif
