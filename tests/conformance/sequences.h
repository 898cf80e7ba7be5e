// SPDX-License-Identifier: MIT
#ifndef KVASIR_CONFORMANCE_SEQUENCES_H
#define KVASIR_CONFORMANCE_SEQUENCES_H

#include "tests/conformance/kit.h"

namespace conformance {

/// Programs of append and attend, held against brute force call by call.
void runAttention(Kit &kit);

/// Programs of kv.write and kv.read, with masks of all kinds.
void runRows(Kit &kit);

/// The programs of tests/programs: the same bits for any chunks, batch, team and way back; what an audit says.
void runPrograms(Kit &kit);

} // namespace conformance

#endif
