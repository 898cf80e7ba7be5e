// SPDX-License-Identifier: MIT
// Core ML packages: manifest, program, weight file, what the program does with its states, and what is said of it.
#include "compiler/frontends/coreml/report.h"
#include "plugins/json_reader.h"
#include "tests/fuzz/package_mutator.h"

#include <numeric>

using namespace kvasir;
using namespace kvasir::coreml;

namespace {

void require(bool holds) {
  if (!holds)
    std::abort();
}

bool isLine(std::string_view text) { return !text.empty() && text.find('\n') == std::string_view::npos; }

/// Every number of every value.
uint64_t readConstants(const Program &program) {
  uint64_t sum = 0;
  for (const Function &function : program.functions)
    for (const Value &value : function.values)
      if (value.constant) {
        sum = std::accumulate(value.constant->bytes.begin(), value.constant->bytes.end(), sum);
        const auto integers = value.constant->asIntegers();
        require(!integers || integers->size() == value.constant->numElements());
      }
  return sum;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const test::PackageFolder folder;
  folder.write(test::PackageInput::parse({bytes, size}));
  const Result<Package> package = Package::open(folder.path());
  if (!package) {
    require(isLine(package.message()));
    return 0;
  }
  const test::SeparateConstants separate(package->program());
  (void)readConstants(separate.program());
  const std::vector<Finding> findings = findBugs(separate.program());
  for (const Finding &finding : findings)
    require(isLine(finding.text));
  (void)reportText(separate.program(), findings);
  require(bool(parseJson(reportJson(separate.program(), findings))));
  (void)package->digest();
  return 0;
}
