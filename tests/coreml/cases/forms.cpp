// SPDX-License-Identifier: MIT
#include "tests/coreml/cases/forms.h"

#include "runtime/imported/host.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace kvasir::coreml_cases {
namespace {

using namespace imported;

/// Sums in another order, and scores that the opaque form rounds to f16 and the raised one does not, through a few
/// layers: parts of the largest number of a tensor. A wrong row is off by more.
constexpr float kRounding = 1.0f / 16;

/// Empty if the tensors are the same but for rounding.
std::string differenceOf(const std::string &what, const Tensor &actual, const Tensor &due) {
  if (actual.element != due.element || actual.dims != due.dims)
    return what + " is " + text(actual) + ", opaque: " + text(due);
  if (!isFloat(due.element))
    return actual.bytes == due.bytes ? "" : what + " differs";
  float most = 0, worst = 0;
  for (uint64_t i = 0; i < due.numElements(); ++i) {
    const float distance = std::fabs(actual.at(i) - due.at(i));
    if (std::isfinite(due.at(i)))
      most = std::max(most, std::fabs(due.at(i)));
    if (std::isnan(distance) ? std::isnan(actual.at(i)) != std::isnan(due.at(i)) : distance > worst)
      worst = std::isnan(distance) ? INFINITY : distance;
  }
  return worst <= kRounding * most ? "" : what + " is off by " + std::to_string(worst) + " of " + std::to_string(most);
}

std::string differenceOf(const char *what, const Tensors &actual, const Tensors &due) {
  for (const auto &[name, value] : due)
    if (const auto found = actual.find(name); found == actual.end())
      return std::string(what) + " '" + name + "' is missing";
    else if (std::string line = differenceOf(std::string(what) + " '" + name + "'", found->second, value);
             !line.empty())
      return line;
  return "";
}

/// Calls of the program's functions, as hosts may make them.
class Calls {
public:
  Calls(const PluginProgram &program, uint32_t seed) : random(seed) {
    for (const FunctionDescription &function : program.description().functions)
      if (const auto host = hostFunctionOf(function))
        hosts.push_back(*host);
    for (const SlotDescription &slot : program.description().slots)
      for (const uint64_t extent : slot.shape)
        numRows = std::max(numRows, extent);
  }

  bool isEmpty() const { return hosts.empty(); }
  uint64_t position = 0; ///< of the next token, where calls are made one after the other

  std::pair<const HostFunction *, Tensors> next() {
    const HostFunction &host = hosts[random() % hosts.size()];
    uint64_t count = host.leastTokens + random() % std::min<uint64_t>(host.mostTokens - host.leastTokens + 1, 9);
    if (!host.allowedTokens.empty())
      count = host.allowedTokens[random() % host.allowedTokens.size()];
    uint64_t start = position;
    if (random() % 4 == 0)
      start = random() % 3 ? start - std::min<uint64_t>(start, random() % 6) : start + random() % 5;
    if (random() % 40 == 0)
      start = numRows - std::min<uint64_t>(numRows, random() % 3);
    std::vector<int32_t> ids(count * host.batch * host.idsPerToken);
    for (int32_t &id : ids)
      id = static_cast<int32_t>(random() % 16);
    Tensors inputs = inputsOf({&host, ids, start}, {{CacheStyle::linear, numRows}});
    if (!host.maskInput.empty() && random() % 5 == 0)
      disturb(inputs[host.maskInput]);
    last = start + count;
    return {&host, std::move(inputs)};
  }

  void accept() { position = last + 2 < numRows ? last : 0; }

private:
  /// Some columns, but the first, are as others are.
  void disturb(Tensor &mask) {
    for (uint64_t number = 0; number < 3; ++number) {
      const uint64_t at = random() % mask.numElements(), from = random() % mask.numElements();
      if (at % mask.dims.back() != 0)
        mask.set(at, mask.at(from));
    }
  }

  std::mt19937 random;
  std::vector<HostFunction> hosts;
  uint64_t numRows = 0, last = 0;
};

/// The outputs, or what the call was refused with.
std::pair<Tensors, std::string> play(const PluginProgram &program, State &state, const std::string &function,
                                     const Tensors &inputs) {
  try {
    return {program.call(function, state, inputs), ""};
  } catch (const Error &error) {
    return {{}, error.what()};
  }
}

} // namespace

FormsTally compareForms(const PluginProgram &program, const PluginProgram &opaque, uint32_t seed, uint64_t numCalls) {
  FormsTally tally;
  Calls calls(program, seed);
  State mine = program.makeState(), due = opaque.makeState();
  const uint64_t before = program.numRaised();
  for (; tally.numCalls < numCalls && !calls.isEmpty() && tally.differences.empty(); ++tally.numCalls) {
    const auto &[host, inputs] = calls.next();
    const auto [outputs, refusal] = play(program, mine, host->name(), inputs);
    const auto [dueOutputs, dueRefusal] = play(opaque, due, host->name(), inputs);
    std::string line;
    if (refusal != dueRefusal)
      line = "it says '" + refusal + "', opaque: '" + dueRefusal + "'";
    if (line.empty())
      line = differenceOf("output", outputs, dueOutputs);
    if (line.empty())
      line = differenceOf("state", program.readAll(mine), opaque.readAll(due));
    if (!line.empty())
      tally.differences.push_back("seed " + std::to_string(seed) + ", call " + std::to_string(tally.numCalls) + " of " +
                                  host->name() + ": " + line);
    if (refusal.empty())
      calls.accept();
    if (tally.numCalls % 8 == 7) // what rounding adds up to is not looked for
      opaque.writeAll(due, program.readAll(mine));
  }
  tally.numRaised = program.numRaised() - before;
  return tally;
}

} // namespace kvasir::coreml_cases
