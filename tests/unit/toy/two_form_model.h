// SPDX-License-Identifier: MIT
// A model as of an imported program: one function over a whole register, and the same over rows.
#ifndef KVASIR_TESTS_UNIT_TWO_FORM_MODEL_H
#define KVASIR_TESTS_UNIT_TWO_FORM_MODEL_H

#include "runtime/model/call.h"

namespace kvasir::runtime {

/// Ids that make functions fail: in both forms, and in the raised one only.
enum { TWO_FORM_ROWS = 300, TWO_FORM_LAYERS = 2, TWO_FORM_FAILS = 77, TWO_FORM_REFUSES = 78 };

/// Slots: the register `cache` f16 [rows, 2 layers, 4]; `cache.rows`, its rows, of two heads of width 2; the register
/// `calls`, f32 [1], one more with each call. `add` takes ids [1, a], pos [1] and mask [a, b]; a token's row in layer l
/// has id + l + lane / 4, rounded to f16; y [a] is for each token the sum of all numbers in rows that the mask shows,
/// times their row's number, in the same order in both forms. Members meet once a token.
/// `sum` has the opaque form alone: y [1] is the sum of all rows.
std::shared_ptr<Model> makeTwoFormModel(uint32_t threads, const kv_plugin *plugin = nullptr);

/// What makeTwoFormModel runs when it is given no other plugin.
const kv_plugin *twoFormPlugin();

Description twoFormDescription();

} // namespace kvasir::runtime

#endif
