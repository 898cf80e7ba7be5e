// SPDX-License-Identifier: MIT
#include "runtime/imported/program.h"

#include "runtime/imported/registers.h"

#include <algorithm>

namespace kvasir::imported {
namespace {

Description descriptionOf(const Model &model) {
  Result<Description> description = descriptionFromJson(model.description());
  if (!description)
    throw Error(KV_BAD_FILE, description.message().c_str());
  return std::move(*description);
}

/// Functions that can be called, and registers.
Description opaquePart(const Description &whole) {
  Description part = whole;
  std::erase_if(part.functions, [&](const FunctionDescription &function) { return isRaisedForm(whole, function); });
  std::erase_if(part.slots, [](const SlotDescription &slot) { return slot.from.has_value(); });
  return part;
}

std::vector<std::string> namesOf(const std::vector<SlotDescription> &slots) {
  std::vector<std::string> names;
  for (const SlotDescription &slot : slots)
    names.push_back(slot.name);
  return names;
}

/// Runs `body`; what it throws is the API's error then.
template <typename Body> auto orError(const std::string &slot, Body body) {
  try {
    return body();
  } catch (const std::exception &error) {
    throw Error(KV_FAILED, ("state '" + slot + "': " + error.what()).c_str());
  }
}

} // namespace

PluginProgram::PluginProgram(const std::string &path, Wish form)
    : model(path, {1, Pinning::automatic, Unverified::take}), form(form), content(descriptionOf(model)) {
  slotNames = namesOf(content.slots);
  content = opaquePart(content);
  State state = makeState();
  zeros = readAll(state);
}

const FunctionDescription *Program::findFunction(const std::string &name) const {
  const auto found = std::ranges::find(description().functions, name, &FunctionDescription::name);
  return found == description().functions.end() ? nullptr : &*found;
}

const SlotDescription *Program::findSlot(const std::string &name) const {
  const auto found = std::ranges::find(description().slots, name, &SlotDescription::name);
  return found == description().slots.end() ? nullptr : &*found;
}

size_t PluginProgram::indexOf(const std::string &name) const {
  if (!findSlot(name))
    throw Error(KV_BAD_INPUT, ("there is no state '" + name + "'").c_str());
  return std::ranges::find(slotNames, name) - slotNames.begin();
}

Tensors PluginProgram::call(const std::string &function, State &state, const Tensors &inputs) const {
  std::vector<Input> given;
  for (const auto &[name, tensor] : inputs)
    given.emplace_back(name, tensor.bytes.data(), tensor.bytes.size(), static_cast<uint32_t>(tensor.element),
                       tensor.dims);
  const Outputs outputs = model.call(function, state, given, {Wanted::all, nullptr, nullptr, form});
  raisedCalls += outputs.form() == Form::raised;
  if (!outputs.reason().empty())
    opaqueReasons.insert(function + ": " + std::string(outputs.reason()));
  Tensors results;
  for (uint64_t i = 0; i < outputs.count(); ++i) {
    const kvasir_tensor output = outputs[i];
    const auto *bytes = static_cast<const uint8_t *>(output.bytes);
    results[output.name] = {static_cast<ElementType>(output.element),
                            {output.dims, output.dims + output.rank},
                            {bytes, bytes + output.size_bytes}};
  }
  return results;
}

bool PluginProgram::hasForms() const {
  return std::ranges::any_of(content.functions,
                             [](const FunctionDescription &each) { return each.raised.has_value(); });
}

Tensors PluginProgram::call(const std::string &function, Tensors &values, const Tensors &inputs) const {
  State state = makeState();
  writeAll(state, values);
  Tensors outputs = call(function, state, inputs);
  values = readAll(state);
  return outputs;
}

Tensor PluginProgram::read(State &state, const std::string &name) const {
  const size_t index = indexOf(name);
  return orError(name, [&] { return readRegister(state.get(), index, *findSlot(name)); });
}

void PluginProgram::write(State &state, const std::string &name, const Tensor &value) const {
  const size_t index = indexOf(name);
  const SlotDescription &slot = *findSlot(name);
  const Tensor held{slot.layout.planes.empty() ? ElementType::f32 : slot.layout.planes[0].element, slot.shape, {}};
  if (value.element != held.element || value.dims != held.dims)
    throw Error(KV_BAD_INPUT, ("state '" + name + "' is " + text(held) + " and can't hold " + text(value)).c_str());
  orError(name, [&] { writeRegister(state.get(), index, slot, value); });
}

Tensors PluginProgram::readAll(State &state) const {
  Tensors values;
  for (const SlotDescription &slot : content.slots)
    values[slot.name] = read(state, slot.name);
  return values;
}

void PluginProgram::writeAll(State &state, const Tensors &values) const {
  for (const auto &[name, value] : values)
    write(state, name, value);
}

} // namespace kvasir::imported
