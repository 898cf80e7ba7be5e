// SPDX-License-Identifier: MIT
// The service "onednn-gemm".
#include "backends/onednn/runtime/products.h"

#include "kvasir/service.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>
#include <sys/mman.h>

using kvasir::onednn::Products;
using kvasir::onednn::Shape;

namespace {

Products *products = nullptr; // made by kvasir_service, for good
std::string about;

void say(const std::string &line, char *message, uint64_t bytes) {
  if (bytes)
    std::snprintf(message, bytes, "%s", line.c_str());
}

/// The blocks that a call's rows are taken in: whole ones and the last.
template <typename Body> bool forBlocks(int64_t rows, Body body) {
  const int64_t whole = rows < ONEDNN_GEMM_LAST ? 0 : (rows - ONEDNN_GEMM_LAST) / ONEDNN_GEMM_ROWS + 1;
  return (whole == 0 || body(int64_t(ONEDNN_GEMM_ROWS))) && body(rows - whole * ONEDNN_GEMM_ROWS);
}

int32_t can(uint32_t element, int64_t depth, int64_t columns, int64_t rows) {
  return forBlocks(rows, [&](int64_t block) {
    for (int64_t n = ONEDNN_GEMM_COLUMNS; n <= columns; n += ONEDNN_GEMM_COLUMNS)
      if (!products->product({element, depth, n, block}).whyNot.empty())
        return false;
    return true;
  });
}

const onednn_gemm_panel *panel(uint32_t element, int64_t depth, int64_t columns) {
  return &products->product({element, depth, columns, ONEDNN_GEMM_ROWS}).panel;
}

void multiply(uint32_t element, int64_t depth, int64_t columns, int64_t rows, const void *activations, void *panel,
              float *result) {
  products->multiply({element, depth, columns, rows}, activations, panel, result);
}

constexpr onednn_gemm_table kTable = {sizeof(onednn_gemm_table), 0, can, panel, multiply};

/// Why one of the shapes that stand for all of a panel's has no fast product; empty if each has.
std::string whyNot(uint32_t element, int64_t depth, int64_t columns) {
  for (const int64_t n : {columns, int64_t(ONEDNN_GEMM_COLUMNS)})
    for (const int64_t rows : {ONEDNN_GEMM_ROWS, ONEDNN_GEMM_LEAST})
      if (const std::string &why = products->product({element, depth, n, rows}).whyNot; !why.empty())
        return why;
  return "";
}

/// `needs`: "f32" or "bf16", the activations' rounding, then "DEPTHxCOLUMNS" for each depth and its widest panel.
std::string whyNot(const std::string &needs) {
  std::istringstream words(needs);
  std::string rounding;
  words >> rounding;
  if (rounding != "f32" && rounding != "bf16")
    return "it multiplies f32 and bf16; the plugin needs '" + needs + "'";
  for (std::string word; words >> word;) {
    int64_t depth = 0, columns = 0;
    char more = 0;
    if (std::sscanf(word.c_str(), "%" SCNd64 "x%" SCNd64 "%c", &depth, &columns, &more) != 2)
      return "it can't read what the plugin needs: '" + needs + "'";
    if (depth < 32 || depth > 1 << 24 || columns < ONEDNN_GEMM_COLUMNS || columns > 4096)
      return "the plugin needs a panel of " + std::to_string(depth) + " x " + std::to_string(columns);
    std::string why = whyNot(ONEDNN_GEMM_F32, depth, columns);
    if (why.empty() && rounding == "bf16" && Products::hasBf16())
      why = whyNot(ONEDNN_GEMM_BF16, depth, columns);
    if (!why.empty())
      return why;
  }
  return "";
}

kv_status check(const kv_service *, const char *needs, char *message, uint64_t message_bytes) {
  try {
    const std::string why = whyNot(std::string(needs));
    if (why.empty())
      return KV_OK;
    say(why, message, message_bytes);
  } catch (const std::exception &error) {
    say(error.what(), message, message_bytes);
  }
  return KV_UNSUPPORTED;
}

/// oneDNN writes its code into pages that are executable meanwhile.
std::string whyNoCode() {
  void *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED)
    return std::string("this process may not have pages that are written and executed, which oneDNN needs (") +
           std::strerror(errno) + ")";
  munmap(page, 4096);
  return "";
}

std::string aboutProducts() {
  const dnnl_version_t &version = *dnnl::version();
  return "oneDNN " + std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
         std::to_string(version.patch) + ", panels in " + (Products::hasBf16() ? "bf16" : "f32") + ", for calls of " +
         std::to_string(Products::hasBf16() ? ONEDNN_GEMM_LEAST : ONEDNN_GEMM_LEAST_F32) + " rows and more";
}

} // namespace

extern "C" __attribute__((visibility("default"))) const kv_service *kvasir_service(char *message,
                                                                                   uint64_t message_bytes) {
  try {
    if (const std::string why = whyNoCode(); !why.empty())
      return say(why, message, message_bytes), nullptr;
    about = aboutProducts();
    products = new Products;
  } catch (const std::exception &error) {
    return say("oneDNN does not start: " + std::string(error.what()), message, message_bytes), nullptr;
  }
  static const kv_service service = {
      sizeof(kv_service), KV_SERVICE_ABI, ONEDNN_GEMM_VERSION, 0, ONEDNN_GEMM_NAME, about.c_str(), &kTable, check};
  return &service;
}
