// SPDX-License-Identifier: MIT
#include "compiler/frontends/gguf/block_formats.h"

#include "compiler/frontends/gguf/unpack.h"

#include <algorithm>
#include <iterator>

namespace kvasir::gguf {
namespace {

using enum ElementType;

constexpr BlockFormat kFormats[] = {
    {"BF16", {.codes = bf16}, unpackFloats},
    {"F16", {.codes = f16}, unpackFloats},
    {"F32", {.codes = f32}, unpackFloats},
    {"Q4_0", {.codes = u4, .group = 32, .scale = f16, .zero = 8}, unpackQ4_0},
    {"Q4_1", {.codes = u4, .group = 32, .scale = f16, .min = f16}, unpackQ4_1},
    {"Q4_K", {.codes = u4, .group = 32, .scale = f32, .min = f32}, unpackQ4_K},
    {"Q5_0", {.codes = u5, .group = 32, .scale = f16, .zero = 16}, unpackQ5_0},
    {"Q5_1", {.codes = u5, .group = 32, .scale = f16, .min = f16}, unpackQ5_1},
    {"Q5_K", {.codes = u5, .group = 32, .scale = f32, .min = f32}, unpackQ5_K},
    {"Q6_K", {.codes = u6, .group = 16, .scale = f32, .zero = 32}, unpackQ6_K},
    {"Q8_0", {.codes = i8, .group = 32, .scale = f16}, unpackQ8_0},
};

std::string knownFormats() {
  std::string names;
  for (const BlockFormat &format : kFormats)
    names += (names.empty() ? "" : ", ") + std::string(format.type);
  return names;
}

} // namespace

const BlockFormat *findBlockFormat(const TensorType &type) {
  auto found = std::find_if(std::begin(kFormats), std::end(kFormats), [&type](const BlockFormat &format) {
    return std::string_view(format.type) == type.name;
  });
  return found == std::end(kFormats) ? nullptr : found;
}

Result<const BlockFormat *> blockFormatOf(const Tensor &tensor) {
  if (const BlockFormat *format = findBlockFormat(*tensor.type))
    return format;
  return Failure{"tensor " + inQuotes(tensor.name) + " has type " + tensor.type->name + " (" +
                 std::to_string(tensor.type->number) + "), which is not read yet; weights may be " + knownFormats()};
}

} // namespace kvasir::gguf
