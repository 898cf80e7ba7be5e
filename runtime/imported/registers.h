// SPDX-License-Identifier: MIT
// What registers of a state hold, byte by byte. Apart from program.h, since handles know classes of the names that
// kvasir.hpp has, too.
#ifndef KVASIR_RUNTIME_IMPORTED_REGISTERS_H
#define KVASIR_RUNTIME_IMPORTED_REGISTERS_H

#include "plugins/description.h"
#include "runtime/imported/tensor.h"

#include "kvasir/kvasir.h"

namespace kvasir::imported {

/// Register number `index` of the description, of one layer and one plane; rows that caches hold of it are in it. Both
/// throw runtime::Error if it is another, or the state is busy.
Tensor readRegister(kvasir_state *state, size_t index, const SlotDescription &slot);
/// `value` is of the slot's type and shape.
void writeRegister(kvasir_state *state, size_t index, const SlotDescription &slot, const Tensor &value);

} // namespace kvasir::imported

#endif
