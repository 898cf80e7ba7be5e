// SPDX-License-Identifier: MIT
// Descriptions and layouts in JSON: what is read is written and read again as the same.
#include "plugins/description.h"
#include "plugins/tensors.h"

#include <cstdlib>

using namespace kvasir;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char *>(bytes), size);
  (void)tensorsFromJson(text, 1 << 20);
  const auto description = descriptionFromJson(text);
  if (!description)
    return 0;
  (void)schemaHash(description->slots);
  const auto again = descriptionFromJson(descriptionToJson(*description));
  if (!again || !(*again == *description))
    std::abort();
  return 0;
}
