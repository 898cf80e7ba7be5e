// SPDX-License-Identifier: MIT
// One function a tensor type: a row of blocks to normal form.
#ifndef KVASIR_FRONTENDS_GGUF_UNPACK_H
#define KVASIR_FRONTENDS_GGUF_UNPACK_H

#include "compiler/packing/weight_form.h"

namespace kvasir::gguf {

void unpackFloats(const uint8_t *blocks, WeightRow &row);

// unpack_simple.cpp: blocks of 32 with f16 scales
void unpackQ4_0(const uint8_t *blocks, WeightRow &row);
void unpackQ4_1(const uint8_t *blocks, WeightRow &row);
void unpackQ5_0(const uint8_t *blocks, WeightRow &row);
void unpackQ5_1(const uint8_t *blocks, WeightRow &row);
void unpackQ8_0(const uint8_t *blocks, WeightRow &row);

// unpack_k.cpp: blocks of 256 with scales in two levels
void unpackQ4_K(const uint8_t *blocks, WeightRow &row);
void unpackQ5_K(const uint8_t *blocks, WeightRow &row);
void unpackQ6_K(const uint8_t *blocks, WeightRow &row);

} // namespace kvasir::gguf

#endif
