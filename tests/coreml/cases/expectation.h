// SPDX-License-Identifier: MIT
// Tensors against what is expected of them.
#ifndef KVASIR_TESTS_COREML_CASES_EXPECTATION_H
#define KVASIR_TESTS_COREML_CASES_EXPECTATION_H

#include "runtime/imported/row_map.h"
#include "tests/coreml/cases/case_json.h"

namespace kvasir::coreml_cases {

/// What is different, in one line; empty if nothing is: shape, type, all values within `atol` that `expected` has
/// (`values`, `sample`, `blob` [offset, bytes] of `blobs`, `rows`), sums, and the checksum if it is exact. `axes` says
/// where `rows` are; without it they are not looked at. Throws std::runtime_error if `expected` makes no sense.
std::string differenceFrom(const Json &expected, const imported::Tensor &actual, const std::vector<uint8_t> &blobs,
                           const std::optional<imported::RowAxes> &axes);

/// The checksum of zlib over a tensor's bytes, -0 taken as 0.
uint32_t checksumOf(const imported::Tensor &tensor);

/// What is different between a state's row map and the `written` that is expected; empty if nothing is. Only lists of
/// slabs can be seen from outside.
std::string differenceOfRows(const Json &written, const std::vector<imported::SlabRows> &actual,
                             const imported::Rows &rows);

} // namespace kvasir::coreml_cases

#endif
