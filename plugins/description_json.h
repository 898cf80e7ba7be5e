// SPDX-License-Identifier: MIT
// Names that the writer and the reader of descriptions share; in the order of the enums.
#ifndef KVASIR_PLUGINS_DESCRIPTION_JSON_H
#define KVASIR_PLUGINS_DESCRIPTION_JSON_H

#include "plugins/description.h"
#include "plugins/layout_json.h"

namespace kvasir {

inline constexpr const char *kSlotKinds[] = {"cache", "register"};
inline constexpr const char *kActivations[] = {"exact", "bf16", "int8"};
inline constexpr const char *kRowRotations[] = {"none", "adjacent", "halves"};
inline constexpr const char *kTensorRoles[] = {"other", "ids", "embeddings", "positions", "mask", "logits", "hidden"};

} // namespace kvasir

#endif
