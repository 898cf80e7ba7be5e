// SPDX-License-Identifier: MIT
// Writes of state deleted from a package's program.
#include "compiler/frontends/coreml/findings.h"
#include "compiler/frontends/coreml/package.h"
#include "tests/coreml/cases/verdict.h"

#include <algorithm>

namespace kvasir::coreml_cases {
namespace {

/// In the order of the file, those in blocks after their owner.
bool removeWrite(coreml::Block &block, uint64_t &number) {
  for (auto at = block.operations.begin(); at != block.operations.end(); ++at) {
    if (at->type == "write_state" && number-- == 0) {
      block.operations.erase(at);
      return true;
    }
    for (coreml::Block &inner : at->blocks)
      if (removeWrite(inner, number))
        return true;
  }
  return false;
}

/// Findings about this state in this function that say that rows get lost.
size_t numLosses(const coreml::Program &program, const std::string &function, const std::string &state) {
  const std::vector<coreml::Finding> findings = coreml::findBugs(program);
  return std::ranges::count_if(
      findings, [&](const coreml::Finding &finding) { return finding.function == function && finding.state == state; });
}

} // namespace

std::vector<std::string> unnoticedDeletions(const Json &mutations, const std::string &name,
                                            const std::filesystem::path &path, uint64_t &numDeleted) {
  std::vector<std::string> lines;
  for (const Json &mutation : mutations) {
    if (textOf(mutation, "case") != name)
      continue;
    ++numDeleted;
    const std::string functionName = textOf(mutation, "function"), state = textOf(mutation, "state");
    const uint64_t number = countOf(member(mutation, "write_state_number"));
    const std::string what = functionName + " without its write " + std::to_string(number) + " of " + state;
    const Result<coreml::Package> package = coreml::Package::open(path.string());
    if (!package)
      throw std::runtime_error(package.message());
    coreml::Program program = package->program();
    const size_t before = numLosses(program, functionName, state);
    uint64_t left = number;
    bool isRemoved = false;
    for (coreml::Function &function : program.functions)
      if (function.name == functionName)
        isRemoved = removeWrite(function.body, left);
    if (!isRemoved)
      lines.push_back(what + ": there is no such write");
    else if (numLosses(program, functionName, state) <= before)
      lines.push_back(what + ": nothing is found");
  }
  return lines;
}

} // namespace kvasir::coreml_cases
