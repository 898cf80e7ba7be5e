// SPDX-License-Identifier: MIT
#include "compiler/packing/weight_source.h"

namespace kvasir {

std::string sourceName(std::string_view pattern, uint64_t layer) {
  std::string name(pattern);
  if (size_t at = name.find("{}"); at != std::string::npos)
    name.replace(at, 2, std::to_string(layer));
  return name;
}

} // namespace kvasir
