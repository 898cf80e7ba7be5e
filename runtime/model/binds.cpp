// SPDX-License-Identifier: MIT
#include "runtime/model/binds.h"

#include "runtime/state/element.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace kvasir::runtime {
namespace {

using Number = std::optional<int64_t>;

std::string quoted(const NamedInput &input) { return "input '" + input.name + "'"; }

std::string dimText(const NamedInput &input, uint64_t dim) {
  return "dim " + std::to_string(dim) + " of " + quoted(input) + " is " + std::to_string(input.dims[dim]);
}

const NamedInput &find(const std::vector<NamedInput> &inputs, const std::string &name) {
  return *std::ranges::find(inputs, name, &NamedInput::name);
}

template <typename T> int64_t load(const NamedInput &input, uint64_t index) {
  T value;
  std::memcpy(&value, static_cast<const uint8_t *>(input.bytes) + index * sizeof value, sizeof value);
  return value;
}

int64_t integerAt(const NamedInput &input, uint64_t index) {
  switch (input.element) {
  case ElementType::i8:
    return load<int8_t>(input, index);
  case ElementType::u8:
    return load<uint8_t>(input, index);
  case ElementType::i32:
    return load<int32_t>(input, index);
  default:
    return load<int64_t>(input, index);
  }
}

uint64_t numElements(const NamedInput &input) {
  uint64_t count = 1;
  for (const uint64_t dim : input.dims)
    count *= dim;
  return count;
}

/// Rows and columns of a mask, and how many masks there are.
struct MaskView {
  explicit MaskView(const NamedInput &mask)
      : mask(mask), rows(mask.dims[mask.dims.size() - 2]), columns(mask.dims.back()),
        count(rows * columns ? numElements(mask) / (rows * columns) : 0) {}

  float at(uint64_t index) const {
    return loadElement(static_cast<const uint8_t *>(mask.bytes), index * elementBits(mask.element), mask.element);
  }

  bool isSeen(const BindDescription &bind, uint64_t index) const { return (at(index) == 0) == bind.hidden.has_value(); }
  bool isHidden(const BindDescription &bind, uint64_t index) const {
    return bind.hidden ? at(index) <= static_cast<float>(*bind.hidden) : at(index) == 0;
  }

  const NamedInput &mask;
  const uint64_t rows, columns, count;
};

/// Where the call starts, if this bind says it: no more than that is looked at.
Number startFrom(const BindDescription &bind, const NamedInput &input, uint64_t count) {
  switch (bind.field) {
  case BindField::start:
  case BindField::positions:
    return numElements(input) ? Number(integerAt(input, 0)) : std::nullopt;
  case BindField::length:
    return static_cast<int64_t>(input.dims[*bind.dim] - count);
  case BindField::count:
    return std::nullopt;
  case BindField::causal:
    break;
  }
  const MaskView mask(input);
  int64_t numSeen = 0;
  while (mask.count && numSeen < static_cast<int64_t>(mask.columns) && mask.isSeen(bind, numSeen))
    ++numSeen;
  return numSeen - 1;
}

/// The first of these binds that says where the call starts; masks last, since others say it more plainly.
Number startOf(const RaisedForm &raised, const std::vector<NamedInput> &inputs, uint64_t count) {
  for (const BindField field : {BindField::start, BindField::positions, BindField::length, BindField::causal})
    for (const BindDescription &bind : raised.binds)
      if (bind.field == field)
        return startFrom(bind, find(inputs, bind.input), count);
  return std::nullopt;
}

std::string whyNotCausal(const BindDescription &bind, const NamedInput &input, const BoundCall &call) {
  const MaskView mask(input);
  if (mask.rows != call.count || mask.columns < call.start + call.count)
    return quoted(input) + " is a mask of " + std::to_string(mask.rows) + " tokens over " +
           std::to_string(mask.columns) + " rows; the call brings " + std::to_string(call.count) + " after " +
           std::to_string(call.start);
  uint64_t index = 0;
  for (uint64_t each = 0; each < mask.count; ++each)
    for (uint64_t token = 0; token < mask.rows; ++token)
      for (uint64_t row = 0; row < mask.columns; ++row, ++index) {
        const bool sees = row <= call.start + token;
        if (!(sees ? mask.isSeen(bind, index) : mask.isHidden(bind, index)))
          return quoted(input) + " is not causal: token " + std::to_string(call.start + token) +
                 (sees ? " does not see row " : " sees row ") + std::to_string(row);
      }
  return "";
}

std::string whyNotPositions(const NamedInput &input, const BoundCall &call) {
  if (input.dims.empty() || input.dims.back() != call.count)
    return quoted(input) + " has not one position for each of " + std::to_string(call.count) + " tokens";
  for (uint64_t i = 0; i < numElements(input); ++i)
    if (const int64_t due = static_cast<int64_t>(call.start + i % call.count); integerAt(input, i) != due)
      return quoted(input) + " has position " + std::to_string(integerAt(input, i)) + " for token " +
             std::to_string(due);
  return "";
}

/// Why this bind does not hold; empty if it does.
std::string whyNot(const BindDescription &bind, const NamedInput &input, const BoundCall &call) {
  switch (bind.field) {
  case BindField::start:
    return numElements(input) == 1 && integerAt(input, 0) == static_cast<int64_t>(call.start)
               ? ""
               : quoted(input) + " is not the one number " + std::to_string(call.start);
  case BindField::positions:
    return whyNotPositions(input, call);
  case BindField::count:
    return input.dims[*bind.dim] == call.count
               ? ""
               : dimText(input, *bind.dim) + ", the call brings " + std::to_string(call.count) + " tokens";
  case BindField::length:
    return input.dims[*bind.dim] == call.start + call.count
               ? ""
               : dimText(input, *bind.dim) + ", after the call there are " + std::to_string(call.start + call.count) +
                     " rows";
  case BindField::causal:
    return whyNotCausal(bind, input, call);
  }
  return "";
}

} // namespace

BoundCall bindCall(const RaisedForm &raised, const std::vector<NamedInput> &inputs, uint64_t mostRows) {
  const auto refused = [](const std::string &whyNot) { return BoundCall{0, 0, whyNot}; };
  const std::string room = " of at most " + std::to_string(mostRows);
  BoundCall call;
  const auto counted = std::ranges::find(raised.binds, BindField::count, &BindDescription::field);
  call.count = find(inputs, counted->input).dims[*counted->dim];
  if (call.count == 0 || call.count > mostRows)
    return refused("the call brings " + std::to_string(call.count) + " tokens" + room);
  const Number start = startOf(raised, inputs, call.count);
  if (!start)
    return refused("no input says where the call starts");
  if (*start < 0 || static_cast<uint64_t>(*start) > mostRows - call.count)
    return refused("the call's " + std::to_string(call.count) + " tokens would start at row " + std::to_string(*start) +
                   room);
  call.start = static_cast<uint64_t>(*start);
  for (const BindDescription &bind : raised.binds)
    if (call.whyNot = whyNot(bind, find(inputs, bind.input), call); !call)
      break;
  return call;
}

} // namespace kvasir::runtime
