// SPDX-License-Identifier: MIT
// The plain functions are deprecated in OpenSSL 3, but the others load providers and a configuration file at their
// first use (milliseconds, and an allocation that outlives us); these need 30 KB of code and use the same instructions.
#define OPENSSL_API_COMPAT 0x10101000L
#include "plugins/digest.h"

#include "kvasir/manifest.h"
#include "plugins/file_io.h"

#include <algorithm>
#include <atomic>
#include <openssl/sha.h>
#include <thread>

namespace kvasir {
namespace {

constexpr uint64_t kChunkBytes = KV_DIGEST_LEAF_BYTES;

/// Hashes leaves until none is left; false if the file ends before its leaves do.
bool digestSomeLeaves(int fd, uint64_t offset, uint64_t size, std::atomic<size_t> &next, std::vector<Digest> &leaves) {
  std::vector<uint8_t> buffer(kChunkBytes);
  for (size_t leaf; (leaf = next.fetch_add(1)) < leaves.size();) {
    const uint64_t begin = leaf * kChunkBytes;
    const std::span<uint8_t> bytes(buffer.data(), std::min(kChunkBytes, size - begin));
    if (!readFully(fd, offset + begin, bytes))
      return false;
    leaves[leaf] = sha256(bytes);
  }
  return true;
}

} // namespace

Digest sha256(std::span<const uint8_t> bytes) {
  Digest digest;
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  SHA256_Final(digest.data(), &context);
  return digest;
}

Result<Digest> imageDigest(int fd, uint64_t size, uint64_t zeroOffset, uint64_t zeroSize) {
  SHA256_CTX context;
  SHA256_Init(&context);
  std::vector<uint8_t> buffer(std::min(size, kChunkBytes));
  for (uint64_t at = 0; at < size; at += buffer.size()) {
    const std::span<uint8_t> bytes(buffer.data(), std::min<uint64_t>(buffer.size(), size - at));
    if (!readFully(fd, at, bytes))
      return Failure{"was cut short while it was read"};
    const uint64_t zeroBegin = std::max(zeroOffset, at), zeroEnd = std::min(zeroOffset + zeroSize, at + bytes.size());
    if (zeroBegin < zeroEnd)
      std::fill(bytes.begin() + (zeroBegin - at), bytes.begin() + (zeroEnd - at), 0);
    SHA256_Update(&context, bytes.data(), bytes.size());
  }
  Digest digest;
  SHA256_Final(digest.data(), &context);
  return digest;
}

Result<std::vector<Digest>> leafDigests(int fd, uint64_t offset, uint64_t size) {
  std::vector<Digest> leaves((size + kChunkBytes - 1) / kChunkBytes);
  std::atomic<size_t> next = 0;
  std::atomic<bool> whole = true;
  auto work = [&] {
    if (!digestSomeLeaves(fd, offset, size, next, leaves))
      whole = false;
  };
  const size_t numThreads = std::clamp<size_t>(std::thread::hardware_concurrency(), 1, 16);
  std::vector<std::jthread> threads;
  for (size_t i = 1; i < std::min(numThreads, leaves.size()); ++i)
    threads.emplace_back(work);
  work();
  threads.clear();
  if (!whole)
    return Failure{"was cut short while its weights were read"};
  return leaves;
}

std::span<const uint8_t> leafBytes(const std::vector<Digest> &leaves) {
  return {reinterpret_cast<const uint8_t *>(leaves.data()), leaves.size() * sizeof(Digest)};
}

std::string toHex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : bytes)
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
  return text;
}

std::string shortHex(std::span<const uint8_t> digest) { return toHex(digest.first(8)) + "…"; }

} // namespace kvasir
