// SPDX-License-Identifier: MIT
// The structs that cross the border, field by field as border_headers.py reads them from the headers, against
// abi.golden. Lines may be added there, never changed. KVASIR_REGENERATE=1 writes the golden file anew.
#include "kvasir/manifest.h"
#include "kvasir/plugin.h"
#include "kvasir/service.h"

#include <cstddef>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>
#include <sstream>
#include <string>

namespace {

std::string describeStructs() {
  std::ostringstream text;
  size_t end = 0, size = 0; // of the fields listed so far, and of their struct
#define STRUCT(type)                                                                                                   \
  CHECK_MESSAGE((end + 7) / 8 * 8 == size, "a field before " #type " is not listed");                                  \
  size = sizeof(type);                                                                                                 \
  text << #type << " size " << size << "\n";
#define FIELD(type, field)                                                                                             \
  end = offsetof(type, field) + sizeof(type::field);                                                                   \
  text << "  " #type "." #field << " offset " << offsetof(type, field) << " size " << sizeof(type::field) << "\n";
#include "fields.inc"
  CHECK_MESSAGE((end + 7) / 8 * 8 == size, "the last struct has a field that is not listed");
#undef STRUCT
#undef FIELD
  return text.str();
}

} // namespace

TEST_CASE("the structs of the C border lie where they always lay") {
  if (std::getenv("KVASIR_REGENERATE"))
    std::ofstream(KVASIR_ABI_GOLDEN) << describeStructs();
  std::ifstream file(KVASIR_ABI_GOLDEN);
  const std::string golden((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  CHECK(describeStructs() == golden);
}
