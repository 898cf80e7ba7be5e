// SPDX-License-Identifier: MIT
// Two forms of one function: opaque, over whole registers, and raised, over rows.
#ifndef KVASIR_PLUGINS_FORMS_H
#define KVASIR_PLUGINS_FORMS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvasir {

/// Where a cache's rows lie in a register of one layer: row r of layer l has lane e of head h at element
/// first + l * layer + h * head + r * row + e * lane of the register's content, counted row-major.
struct RowsOrigin {
  std::string state; ///< the register's name
  uint64_t rows = 1; ///< that it has room for
  uint64_t first = 0, layer = 0, head = 0, row = 0, lane = 0;

  /// The element of lane e of head h of row r of layer l.
  uint64_t element(uint64_t l, uint64_t h, uint64_t r, uint64_t e) const {
    return first + l * layer + h * head + r * row + e * lane;
  }

  bool operator==(const RowsOrigin &) const = default;
};

/// What of a call an input is. start: tokens before the call; count: T; length: start + count.
enum class BindField : uint8_t { start, positions, count, length, causal };

/// An input that must be what the raised form takes it for.
///
/// start: one integer. positions: integers [.., T], start, start + 1, … . count, length: the extent of `dim`. causal:
/// [.., T, R] with R >= length; with `hidden`, 0 where r <= start + t and at most `hidden` elsewhere; without, truth:
/// other than 0 where r <= start + t, and 0 elsewhere.
struct BindDescription {
  std::string input;
  BindField field = BindField::start;
  std::optional<uint64_t> dim;   ///< of count and length
  std::optional<int64_t> hidden; ///< of causal

  bool operator==(const BindDescription &) const = default;
};

/// The form of an opaque function that reads and appends rows, and when the two compute the same: one sequence that
/// holds `start` rows gets `count` more, and all binds hold.
struct RaisedForm {
  std::string function;
  std::vector<BindDescription> binds; ///< a count at least, and one that says the start

  bool operator==(const RaisedForm &) const = default;
};

} // namespace kvasir

#endif
