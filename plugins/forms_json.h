// SPDX-License-Identifier: MIT
// The two forms of functions in descriptions.
#ifndef KVASIR_PLUGINS_FORMS_JSON_H
#define KVASIR_PLUGINS_FORMS_JSON_H

#include "plugins/description.h"
#include "plugins/json_reader.h"

namespace kvasir {

Json toJson(const RowsOrigin &from);
Json toJson(const RaisedForm &raised);

RowsOrigin rowsOriginFromJson(const JsonReader &reader);
RaisedForm raisedFormFromJson(const JsonReader &reader);

/// Fails where caches, registers and functions do not fit together: rows that lie beyond their register, or that the
/// cache can't hold exactly; a raised form that is none, or takes other inputs; binds of inputs that are not there.
void requireForms(const JsonReader &reader, const Description &description);

} // namespace kvasir

#endif
