// SPDX-License-Identifier: MIT
// The families of the dialect, one a file.
include "compiler/dialects/lm/elementwise.td"
include "compiler/dialects/lm/embedding.td"
include "compiler/dialects/lm/experts.td"
include "compiler/dialects/lm/gated.td"
include "compiler/dialects/lm/invoke.td"
include "compiler/dialects/lm/linear.td"
include "compiler/dialects/lm/norm.td"
include "compiler/dialects/lm/rope.td"
include "compiler/dialects/lm/weights.td"
