// SPDX-License-Identifier: MIT
// Programs whose states are registers, as those of a Core ML package: functions called with any tensors, states looked
// into and written as tensors.
#ifndef KVASIR_RUNTIME_IMPORTED_PROGRAM_H
#define KVASIR_RUNTIME_IMPORTED_PROGRAM_H

#include "plugins/description.h"
#include "runtime/imported/tensor.h"

#include "kvasir/kvasir.hpp"

#include <map>
#include <set>
#include <utility>

namespace kvasir::imported {

using Tensors = std::map<std::string, Tensor>;

/// What can be called, whoever runs it. Everything throws kvasir::Error.
class Program {
public:
  virtual ~Program() = default;

  virtual const Description &description() const = 0;

  /// What a new state holds, by slot.
  virtual Tensors zeroState() const = 0;

  /// The outputs by name; `state` is changed, or on an error as it was.
  virtual Tensors call(const std::string &function, Tensors &state, const Tensors &inputs) const = 0;

  /// Null if there is none of this name.
  const FunctionDescription *findFunction(const std::string &name) const;
  const SlotDescription *findSlot(const std::string &name) const;
};

/// A loaded plugin. Its description has what can be called and registers: caches and the functions over them are
/// another form of these, which calls take by themselves.
class PluginProgram : public Program {
public:
  explicit PluginProgram(const std::string &path, Wish form = Wish::automatic);

  const Description &description() const override { return content; }
  Tensors zeroState() const override { return zeros; }
  Tensors call(const std::string &function, Tensors &state, const Tensors &inputs) const override;

  // The same on states of the runtime.

  State makeState() const { return model.makeState(); }
  Tensors call(const std::string &function, State &state, const Tensors &inputs) const;

  /// Has any function a raised form?
  bool hasForms() const;

  /// How often calls took a raised form.
  uint64_t numRaised() const { return raisedCalls; }

  /// Why calls did not, where there is one, since this was asked last: each reason once.
  std::set<std::string> takeReasons() { return std::exchange(opaqueReasons, {}); }

  /// What a register of one layer holds, in the type in which it is stored.
  Tensor read(State &state, const std::string &slot) const;
  void write(State &state, const std::string &slot, const Tensor &value) const;

  /// All registers.
  Tensors readAll(State &state) const;
  void writeAll(State &state, const Tensors &values) const;

private:
  size_t indexOf(const std::string &slot) const;

  Model model;
  const Wish form;
  Tensors zeros;                      ///< a new state
  std::vector<std::string> slotNames; ///< all of the plugin's
  Description content;
  mutable uint64_t raisedCalls = 0;
  mutable std::set<std::string> opaqueReasons;
};

} // namespace kvasir::imported

#endif
