// SPDX-License-Identifier: MIT
// An ML program as a package says it: functions of ops over named values, checked, every name resolved.
#ifndef KVASIR_FRONTENDS_COREML_PROGRAM_H
#define KVASIR_FRONTENDS_COREML_PROGRAM_H

#include "compiler/frontends/coreml/element_types.h"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvasir::coreml {

/// Of a tensor.
inline constexpr size_t kMostDims = 16;

/// A size that only a call knows.
inline constexpr int64_t kAnySize = -1;

struct TensorType {
  Element element = Element::boolean;
  std::vector<int64_t> dims;

  bool operator==(const TensorType &) const = default;
};

/// "fp16[1, 32, ?]"
std::string text(const TensorType &type);

enum class TypeKind { tensor, state, list };

/// Of a list, the tensor is what each element is.
struct Type {
  TypeKind kind = TypeKind::tensor;
  TensorType tensor;

  bool operator==(const Type &) const = default;
};

std::string text(const Type &type);

/// A dense tensor: row major, little-endian, elements of fewer than 8 bits packed from the least significant bit on;
/// or strings.
struct Constant {
  TensorType type;
  std::span<const uint8_t> bytes; ///< the package's
  std::vector<std::string> strings;

  uint64_t numElements() const;
  /// Elements of an integer or bool tensor; nothing for other types and for values beyond 63 bits.
  std::optional<std::vector<int64_t>> asIntegers() const;
  /// One of them.
  std::optional<int64_t> integerAt(uint64_t index) const;
  std::optional<std::string_view> asString() const;
};

using ValueId = uint32_t;

/// What a function's input or an op's output names.
struct Value {
  std::string name;
  Type type;
  std::optional<Constant> constant; ///< of an op `const`
};

/// A value, or a literal.
struct Operand {
  std::optional<ValueId> value;
  std::optional<Constant> literal;
};

struct Block;

struct Operation {
  std::string type;
  uint32_t index; ///< among all ops of the function, in the order of the file, those in blocks after their owner
  std::map<std::string, std::vector<Operand>, std::less<>> inputs;
  std::vector<ValueId> outputs;
  std::map<std::string, Constant, std::less<>> attributes;
  std::vector<Block> blocks;

  /// The only operand of this name; null if it has none.
  const Operand *find(std::string_view input) const;
};

/// Ops run in the order of the list.
struct Block {
  std::vector<ValueId> inputs;
  std::vector<Operation> operations;
  std::vector<ValueId> outputs;
};

/// What the description allows a dim of an input to be.
struct DimRange {
  int64_t from = 1;
  int64_t to = kAnySize;       ///< kAnySize: no limit
  std::vector<int64_t> values; ///< one of these only, if there are any; ascending
};

struct Function {
  std::string name;
  std::vector<Value> values;   ///< by ValueId
  std::vector<ValueId> inputs; ///< states among them
  Block body;
  std::map<std::string, TensorType> declaredStates; ///< what the description says of them; the program may not agree
  std::map<std::string, std::vector<DimRange>> declaredDims; ///< of inputs whose shape the description leaves open

  const std::string &nameOf(ValueId value) const { return values[value].name; }
  /// The constant that the operand is; null if a call computes it.
  const Constant *constantOf(const Operand &operand) const;
  /// "slice_update 'v_new' (op 14)"
  std::string describe(const Operation &operation) const;
};

struct Program {
  std::vector<Function> functions; ///< in the description's order
  std::string defaultFunction;
};

} // namespace kvasir::coreml

#endif
