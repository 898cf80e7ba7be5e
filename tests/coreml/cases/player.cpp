// SPDX-License-Identifier: MIT
#include "tests/coreml/cases/player.h"

namespace kvasir::coreml_cases {
namespace {

using imported::PluginProgram;
using imported::RowAxes;
using imported::Tensor;
using imported::Tensors;

/// Does the case say that the package itself has an error?
bool isBroken(const Json &expected) {
  const Json findings = member(expected, "verdict").value("findings", Json::array());
  for (const Json &finding : findings)
    if (finding.value("severity", "") == "error")
      return true;
  return false;
}

} // namespace

void Tally::add(const Tally &other) {
  numSequences += other.numSequences;
  numCalls += other.numCalls;
  numTensors += other.numTensors;
  numRowMaps += other.numRowMaps;
  numRaised += other.numRaised;
  failures.insert(failures.end(), other.failures.begin(), other.failures.end());
}

Tally Player::play() {
  for (const Json &sequence : member(expected, "sequences")) {
    const std::string name = textOf(sequence, "name");
    states.clear();
    ++tally.numSequences;
    size_t number = 0;
    try {
      for (const Json &step : member(sequence, "steps")) {
        playStep(step);
        ++number;
      }
    } catch (const std::exception &error) {
      tally.failures.push_back(name + ", step " + std::to_string(number) + ": " + error.what());
    }
  }
  states.clear();
  return std::move(tally);
}

const PluginProgram &Player::programOf(const Json &step) {
  const std::string path = textOf(step.contains("package") ? step : expected, "package");
  std::string refusal;
  const PluginProgram &program =
      packages.open(path, isBroken(expected) ? Packages::Proof::waived : Packages::Proof::wanted, refusal);
  if (!refusal.empty())
    throw std::runtime_error("a right package is refused: " + refusal);
  return program;
}

void Player::playStep(const Json &step) {
  const std::string op = textOf(step, "op");
  if (op == "make_state") {
    const PluginProgram &program = programOf(step);
    states.insert_or_assign(textOf(step, "state"), Held{&program, program.makeState()});
  } else if (op == "fork_state") {
    fork(step);
  } else if (op == "call") {
    playCall(step);
  } else {
    throw std::runtime_error("op '" + op + "' is not known");
  }
}

Player::Held &Player::find(const std::string &name) {
  const auto found = states.find(name);
  if (found == states.end())
    throw std::runtime_error("there is no state '" + name + "'");
  return found->second;
}

void Player::fork(const Json &step) {
  Held &held = find(textOf(step, "state"));
  states.insert_or_assign(textOf(step, "to"), Held{held.program, held.state.fork()});
}

/// The same values in a state of another package.
Player::Held Player::goOnIn(const PluginProgram &program, Held &held) const {
  Held moved{&program, program.makeState()};
  program.writeAll(moved.state, held.program->readAll(held.state));
  return moved;
}

void Player::playCall(const Json &step) {
  const PluginProgram &program = programOf(step);
  Held &held = find(textOf(step, "state"));
  if (held.program != &program)
    held = goOnIn(program, held);
  Tensors inputs;
  for (const auto &[name, input] : member(step, "inputs").items())
    inputs[name] = makeInput(input);
  ++tally.numCalls;
  if (step.contains("error"))
    return expectFailure(step, program, held, inputs);
  State before = held.state.fork();
  const std::string function = textOf(step, "function");
  try {
    const uint64_t numRaised = program.numRaised();
    compareOutputs(step, program.call(function, held.state, inputs));
    tally.numRaised += program.numRaised() - numRaised;
    compareStates(step, program, held.state);
    compareRowMaps(step, program, before, inputs);
  } catch (const std::exception &error) {
    throw std::runtime_error(function + ": " + error.what());
  }
}

void Player::expectFailure(const Json &step, const PluginProgram &program, Held &held, const Tensors &inputs) {
  const std::string function = textOf(step, "function");
  const Tensors before = program.readAll(held.state);
  bool hasFailed = false;
  try {
    program.call(function, held.state, inputs);
  } catch (const Error &) {
    hasFailed = true;
  }
  if (!hasFailed)
    throw std::runtime_error(function + ": the call succeeds, expected " + step["error"].dump());
  if (program.readAll(held.state) != before)
    throw std::runtime_error(function + ": the call failed and changed its state");
}

void Player::compareOutputs(const Json &step, const Tensors &outputs) {
  for (const auto &[name, output] : member(step, "outputs").items()) {
    const auto found = outputs.find(name);
    if (found == outputs.end())
      throw std::runtime_error("there is no output '" + name + "'");
    ++tally.numTensors;
    if (const std::string line = differenceFrom(output, found->second, blobs, std::nullopt); !line.empty())
      throw std::runtime_error("output '" + name + "' " + line);
  }
}

void Player::compareStates(const Json &step, const PluginProgram &program, State &state) {
  for (const auto &[name, value] : member(step, "states_after").items()) {
    const Tensor actual = program.read(state, name);
    ++tally.numTensors;
    if (const std::string line = differenceFrom(value, actual, blobs, axesOf(name, actual.dims)); !line.empty())
      throw std::runtime_error("state '" + name + "' " + line);
  }
}

/// The call again, on states whose rows hold other numbers.
void Player::compareRowMaps(const Json &step, const PluginProgram &program, State &before, const Tensors &inputs) {
  Tensors filled[2], after[2];
  std::map<std::string, RowAxes> axes;
  for (const auto &[name, value] : member(step, "states_after").items()) {
    const Tensor held = program.read(before, name);
    const auto known = axesOf(name, held.dims);
    if (!known || !value.contains("written") || !value["written"].is_array())
      continue;
    axes.emplace(name, *known);
    for (size_t run = 0; run < 2; ++run)
      filled[run][name] = imported::fill(held, run + 1);
  }
  if (axes.empty())
    return;
  for (size_t run = 0; run < 2; ++run) {
    State state = before.fork();
    program.writeAll(state, filled[run]);
    program.call(textOf(step, "function"), state, inputs);
    after[run] = program.readAll(state);
  }
  for (const auto &[name, known] : axes) {
    ++tally.numRowMaps;
    const auto slabs = imported::rowMap({filled[0][name], after[0][name]}, {filled[1][name], after[1][name]}, known);
    const std::string line =
        differenceOfRows(step["states_after"][name]["written"], slabs, imported::Rows(filled[0][name].dims, known));
    if (!line.empty())
      throw std::runtime_error("state '" + name + "': " + line);
  }
}

std::optional<RowAxes> Player::axesOf(const std::string &state, const std::vector<uint64_t> &dims) const {
  const Json protocol = expected.value("protocol", Json());
  if (!protocol.is_object() || !protocol.contains("states") || !protocol["states"].contains(state))
    return std::nullopt;
  const Json &axes = protocol["states"][state];
  if (!axes.contains("token_axis") || axes["token_axis"].is_null())
    return std::nullopt;
  RowAxes known{countOf(axes["token_axis"]), axes.value("slab_axes", std::vector<size_t>{})};
  bool fits = known.token < dims.size();
  for (const size_t axis : known.slabs)
    fits &= axis < dims.size() && axis != known.token;
  if (!fits)
    throw std::runtime_error("the protocol's axes of state '" + state + "' are not there");
  return known;
}

} // namespace kvasir::coreml_cases
