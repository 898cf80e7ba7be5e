// SPDX-License-Identifier: MIT
// Layouts inside larger JSON texts.
#ifndef KVASIR_PLUGINS_LAYOUT_JSON_H
#define KVASIR_PLUGINS_LAYOUT_JSON_H

#include "plugins/json_reader.h"
#include "plugins/layout.h"

namespace kvasir {

Json toJson(const Layout &layout);

/// A layout that has passed checkLayout, or an empty one and a failure in the reader.
Layout layoutFromJson(const JsonReader &reader);

/// An element type by its name.
ElementType elementFromJson(const JsonReader &reader);

} // namespace kvasir

#endif
