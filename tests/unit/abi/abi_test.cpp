// SPDX-License-Identifier: MIT
// The structs that cross the border, field by field, against abi.golden. Lines may be added there, never changed.
// KVASIR_REGENERATE=1 writes the golden file anew.
#include "kvasir/manifest.h"
#include "kvasir/plugin.h"

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
  STRUCT(kv_team)
  FIELD(kv_team, size)
  FIELD(kv_team, members)
  FIELD(kv_team, host)
  FIELD(kv_team, barrier)
  STRUCT(kv_rows)
  FIELD(kv_rows, begin)
  FIELD(kv_rows, end)
  STRUCT(kv_view)
  FIELD(kv_view, blocks)
  FIELD(kv_view, num_blocks)
  FIELD(kv_view, in)
  FIELD(kv_view, out)
  STRUCT(kv_tensor)
  FIELD(kv_tensor, bytes)
  FIELD(kv_tensor, size_bytes)
  STRUCT(kv_call)
  FIELD(kv_call, size)
  FIELD(kv_call, function)
  FIELD(kv_call, num_sequences)
  FIELD(kv_call, num_tokens)
  FIELD(kv_call, num_wanted)
  FIELD(kv_call, starts)
  FIELD(kv_call, counts)
  FIELD(kv_call, firsts)
  FIELD(kv_call, token_sequence)
  FIELD(kv_call, positions)
  FIELD(kv_call, wanted)
  FIELD(kv_call, views)
  FIELD(kv_call, inputs)
  FIELD(kv_call, outputs)
  FIELD(kv_call, weights)
  FIELD(kv_call, scratch)
  FIELD(kv_call, scratch_bytes)
  FIELD(kv_call, team)
  FIELD(kv_call, message)
  FIELD(kv_call, message_bytes)
  STRUCT(kv_plan)
  FIELD(kv_plan, size)
  FIELD(kv_plan, reserved)
  FIELD(kv_plan, scratch_bytes)
  FIELD(kv_plan, writes)
  STRUCT(kv_host)
  FIELD(kv_host, size)
  FIELD(kv_host, abi)
  FIELD(kv_host, variant)
  FIELD(kv_host, reserved)
  STRUCT(kv_plugin)
  FIELD(kv_plugin, size)
  FIELD(kv_plugin, abi)
  FIELD(kv_plugin, prepare)
  FIELD(kv_plugin, execute)
  STRUCT(kv_manifest)
  FIELD(kv_manifest, size)
  FIELD(kv_manifest, format)
  FIELD(kv_manifest, abi_min)
  FIELD(kv_manifest, abi_max)
  FIELD(kv_manifest, kind)
  FIELD(kv_manifest, flags)
  FIELD(kv_manifest, page_bytes)
  FIELD(kv_manifest, description_size)
  FIELD(kv_manifest, cpu_features)
  FIELD(kv_manifest, schema_hash)
  FIELD(kv_manifest, fingerprint)
  FIELD(kv_manifest, build_id)
  FIELD(kv_manifest, file_size)
  FIELD(kv_manifest, image_size)
  FIELD(kv_manifest, directory_offset)
  FIELD(kv_manifest, directory_size)
  FIELD(kv_manifest, directory_hash)
  FIELD(kv_manifest, weights_offset)
  FIELD(kv_manifest, weights_size)
  FIELD(kv_manifest, weights_root)
  FIELD(kv_manifest, name)
  FIELD(kv_manifest, producer)
  STRUCT(kv_section)
  FIELD(kv_section, name)
  FIELD(kv_section, offset)
  FIELD(kv_section, size)
  FIELD(kv_section, hash)
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
