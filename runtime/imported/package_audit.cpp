// SPDX-License-Identifier: MIT
#include "runtime/imported/package_audit.h"

#include <algorithm>
#include <cmath>

namespace kvasir::imported {
namespace {

constexpr uint64_t kChunk = 4; // tokens of a call that may have any number

std::vector<HostFunction> hostFunctionsOf(const Description &description) {
  std::vector<HostFunction> functions;
  for (const FunctionDescription &function : description.functions)
    if (const auto host = hostFunctionOf(function))
      functions.push_back(*host);
  return functions;
}

// Functions with these lose rows in a way that the programs show: comparing them says nothing new.
constexpr int kLosses[] = {1, 2, 4, 5, 6, 8, 9, 10};

} // namespace

const char *name(Severity severity) {
  static constexpr const char *kNames[] = {"info", "warning", "error"};
  return kNames[static_cast<size_t>(severity)];
}

PackageAudit::PackageAudit(const Program &program, const KnownFacts &known)
    : program(program), known(known), functions(hostFunctionsOf(program.description())), session(program, functions) {}

void PackageAudit::run() {
  noteOthers();
  if (functions.empty()) {
    whyNothing = "no function takes tokens: no input is called ids or tokens, or is a matrix of integers";
    return;
  }
  if (!lowerVocabulary()) {
    whyNothing = "every call fails: " + notes.back();
    return;
  }
  findCaches();
  findRing();
  for (const HostFunction &function : functions)
    for (const std::string &line : inventionsOf(function, session.cache()))
      inventions.push_back(line);
  watchEach();
  makeRuns();
  judgeRows();
  checkNumbers();
  checkEnds();
  perturb();
  compareRuns();
  checkRepeats();
}

/// Functions that are not called.
void PackageAudit::noteOthers() {
  for (const FunctionDescription &function : program.description().functions)
    if (std::ranges::find(functions, function.name, &HostFunction::name) == functions.end())
      notes.push_back(function.name + ": not called, no input holds token ids");
}

bool PackageAudit::hasError(const HostFunction &function) const {
  return std::ranges::any_of(findings, [&](const PackageFinding &each) {
    return each.function == function.name() && each.severity == Severity::error;
  });
}

bool PackageAudit::hasError(const HostFunction &function, const std::string &state) const {
  return std::ranges::any_of(findings, [&](const PackageFinding &each) {
    return each.function == function.name() && each.state == state && each.severity == Severity::error;
  });
}

bool PackageAudit::isPlayed(const HostFunction &function) const {
  return std::ranges::none_of(known.findings, [&](const PackageFinding &each) {
    const bool isLoss = std::ranges::find(kLosses, each.bugClass) != std::end(kLosses);
    // One that writes nothing on purpose does not go on, either. One that reads what a host fills does.
    const bool isReader = each.bugClass == int(BugClass::neverWritten) && each.rowsWritten.empty();
    return each.function == function.name() && isLoss &&
           (each.severity == Severity::error || (each.bugClass <= 2 && !isReader));
  });
}

/// Its rows have fixed places: right for the first call only.
bool PackageAudit::isFirstOnly(const HostFunction &function) const {
  return std::ranges::any_of(known.findings, [&](const PackageFinding &each) {
    return each.function == function.name() && each.bugClass == int(BugClass::frozenOffset);
  });
}

uint64_t PackageAudit::chunkOf(const HostFunction &function) const {
  if (!function.isAnyLength())
    return function.mostTokens;
  if (function.takes(kChunk))
    return kChunk;
  const auto allowed = std::ranges::find_if(function.allowedTokens, [](uint64_t count) { return count > 1; });
  return allowed != function.allowedTokens.end() ? *allowed : function.leastTokens;
}

/// Ways to give a function's calls their place among others: at the front, behind another of its own, behind and in
/// front of single tokens.
std::vector<std::vector<Piece>> PackageAudit::plansOf(const HostFunction &function, const HostFunction *single) const {
  const uint64_t count = chunkOf(function);
  const CacheForm &cache = session.cache();
  const bool isReused = cache.style != CacheStyle::linear;
  const uint64_t most = cache.numRows == 0 ? 4 * count : isReused ? cache.numRows + count : cache.numRows;
  const Piece piece{&function, count};
  std::vector<std::vector<Piece>> plans = {{piece}};
  if (isFirstOnly(function))
    return plans;
  if (isReused)
    plans.push_back({piece, piece, piece});
  else if (2 * count <= most)
    plans.push_back({piece, piece});
  if (!single)
    return plans;
  const Piece one{single, 1};
  // A ring's calls begin at multiples of their length.
  const uint64_t before = cache.style == CacheStyle::ring ? count : 2;
  for (const uint64_t numBefore : {uint64_t{0}, before}) {
    std::vector<Piece> plan(numBefore, one);
    plan.push_back(piece);
    for (uint64_t i = 0; i < 3 && numBefore + count + i < most; ++i)
      plan.push_back(one);
    if (numBefore + count <= most)
      plans.push_back(plan);
  }
  return plans;
}

void PackageAudit::makeRuns() {
  const HostFunction *single = nullptr;
  for (const HostFunction &function : functions)
    if (isPlayed(function) && !isFirstOnly(function) && function.takes(1) && (!single || !function.isAnyLength()))
      single = &function;
  std::vector<std::vector<Piece>> plans;
  for (const HostFunction &function : functions)
    if (isPlayed(function) && chunkOf(function) > 1)
      for (auto &plan : plansOf(function, single))
        plans.push_back(std::move(plan));
  uint64_t most = 8;
  for (const auto &plan : plans) {
    uint64_t count = 0;
    for (const Piece &piece : plan)
      count += piece.numTokens;
    most = std::max(most, count);
  }
  if (session.cache().numRows != 0 && session.cache().style == CacheStyle::linear)
    most = std::min(most, session.cache().numRows);
  if (single)
    plans.insert(plans.begin(), std::vector<Piece>(most, {single, 1}));
  hasSingle = single != nullptr;
  for (const auto &plan : plans) {
    runs.push_back(session.run(plan, Session::Watch::rows));
    collectFacts(runs.back());
    if (!runs.back().failure.empty())
      notes.push_back(runs.back().failure);
  }
}

void PackageAudit::add(BugClass bugClass, const std::string &function, const std::string &state,
                       const std::string &sentence, const std::string &written, const std::string &expected) {
  const auto isSame = [&](const PackageFinding &each) {
    return each.bugClass == int(bugClass) && each.function == function && each.state == state;
  };
  if (std::ranges::any_of(findings, isSame) || std::ranges::any_of(known.findings, isSame))
    return;
  findings.push_back({int(bugClass), Severity::error, function, state, written, expected, "",
                      "function '" + function + "'" + (state.empty() ? "" : ", state '" + state + "'") + ": " +
                          sentence + doubtOf(function)});
}

/// What else a finding may come from.
std::string PackageAudit::doubtOf(const std::string &function) const {
  std::string names;
  const auto found = std::ranges::find(functions, function, &HostFunction::name);
  if (found != functions.end())
    for (const std::string &input : found->guessedInputs())
      names += (names.empty() ? "" : ", ") + input;
  return names.empty() ? "" : "; this may come from what was passed as " + names;
}

/// Infinite and NaN numbers, and codes at their limits, in what calls wrote. A run is looked at up to its first number
/// that is none: what comes after it attends to that.
void PackageAudit::checkNumbers() {
  struct Count {
    uint64_t numElements = 0, numLimits = 0, numOdd = 0;
  };
  std::map<std::string, Count> counts;
  for (const Run &run : runs)
    for (const Step &step : run.steps) {
      Count own;
      for (const auto &[state, ignored] : session.axes)
        for (uint64_t i = 0; i < step.numTokens; ++i)
          for (const auto &row : rowsOf(step, state, step.position + i))
            for (const float number : row) {
              ++own.numElements;
              own.numOdd += !std::isfinite(number);
              own.numLimits += step.states.at(state).element == ElementType::i8 && std::fabs(number) >= 127;
            }
      Count &all = counts[step.function->name()];
      all = {all.numElements + own.numElements, all.numLimits + own.numLimits, all.numOdd + own.numOdd};
      if (own.numOdd > 0)
        break;
    }
  for (const auto &[function, count] : counts) {
    const std::string share = " of " + std::to_string(count.numElements) + " stored ";
    if (count.numLimits >= 2 && count.numLimits * 50 >= count.numElements)
      add(BugClass::precision, function, "",
          std::to_string(count.numLimits) + share +
              "codes are the largest or least that int8 has: the scale is too small");
    if (count.numOdd > 0)
      add(BugClass::precision, function, "", std::to_string(count.numOdd) + share + "numbers are infinite or NaN");
  }
}

/// The same call twice.
void PackageAudit::checkRepeats() {
  for (const HostFunction &function : functions) {
    const Run first = session.run({{&function, chunkOf(function)}}, Session::Watch::off);
    const Run second = session.run({{&function, chunkOf(function)}}, Session::Watch::off);
    if (first.failure.empty() && second.failure.empty() &&
        (first.steps[0].outputs != second.steps[0].outputs || first.steps[0].states != second.steps[0].states))
      add(BugClass::nondeterministic, function.name(), "", "the same call twice gives different results");
  }
}

/// A prompt of another length than the one call's can't be read by such calls alone, and a second does not fit.
bool PackageAudit::needsPadding() const {
  const CacheForm &cache = session.cache();
  return std::ranges::any_of(functions, [&](const HostFunction &function) {
    return cache.style == CacheStyle::linear && !function.isAnyLength() && function.mostTokens > 1 &&
           function.mostTokens < cache.numRows && 2 * function.mostTokens > cache.numRows && functions.size() > 1;
  });
}

} // namespace kvasir::imported
