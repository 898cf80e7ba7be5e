// SPDX-License-Identifier: MIT
// The families, in the order in which a program meets them.
include "compiler/dialects/kv/schema.td"
include "compiler/dialects/kv/batch.td"
include "compiler/dialects/kv/rows.td"
include "compiler/dialects/kv/registers.td"
include "compiler/dialects/kv/control.td"
include "compiler/dialects/kv/lowered.td"
