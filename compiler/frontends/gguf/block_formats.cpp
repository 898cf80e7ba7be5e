// SPDX-License-Identifier: MIT
#include "compiler/frontends/gguf/block_formats.h"

#include "compiler/frontends/gguf/unpack.h"

#include <algorithm>

namespace kvasir::gguf {
namespace {

std::vector<BlockFormat> allFormats() {
  std::vector<BlockFormat> all;
  for (auto *formats : {
#define KVASIR_UNPACKER(name, room) &room::formats,
#include "compiler/frontends/gguf/unpackers.inc"
#undef KVASIR_UNPACKER
       }) {
    const std::span<const BlockFormat> some = formats();
    all.insert(all.end(), some.begin(), some.end());
  }
  std::sort(all.begin(), all.end(),
            [](const BlockFormat &a, const BlockFormat &b) { return std::string_view(a.type) < b.type; });
  return all;
}

std::string knownFormats() {
  std::string names;
  for (const BlockFormat &format : blockFormats())
    names += (names.empty() ? "" : ", ") + std::string(format.type);
  return names;
}

} // namespace

std::span<const BlockFormat> blockFormats() {
  static const std::vector<BlockFormat> formats = allFormats();
  return formats;
}

const BlockFormat *findBlockFormat(const TensorType &type) {
  const std::span<const BlockFormat> formats = blockFormats();
  auto found = std::find_if(formats.begin(), formats.end(),
                            [&type](const BlockFormat &format) { return std::string_view(format.type) == type.name; });
  return found == formats.end() ? nullptr : &*found;
}

Result<const BlockFormat *> blockFormatOf(const Tensor &tensor) {
  if (const BlockFormat *format = findBlockFormat(*tensor.type))
    return format;
  return Failure{"tensor " + inQuotes(tensor.name) + " has type " + tensor.type->name + " (" +
                 std::to_string(tensor.type->number) + "), which is not read yet; weights may be " + knownFormats()};
}

} // namespace kvasir::gguf
