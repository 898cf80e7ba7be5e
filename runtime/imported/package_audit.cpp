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
  findFilled();
  findCaches();
  findRings();
  for (const HostFunction &function : functions)
    for (const std::string &line : inventionsOf(function, session.allForms()))
      inventions.push_back(line);
  watchEach();
  makeRuns();
  findCounters();
  judgeRows();
  checkNumbers();
  checkEnds();
  checkCounters();
  perturb();
  checkAttention();
  compareRuns();
  compareFar();
  checkPhases();
  checkRepeats();
  if (std::ranges::all_of(series, [](const Series &each) { return each.reference != nullptr; }))
    whyNothing = "functions that take token ids were not compared with those that take embeddings: nothing says which "
                 "embedding an id has";
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

/// Can it be called as if other calls had been before?
bool PackageAudit::canBePlaced(const HostFunction &function) const {
  return function.style != PositionStyle::internal || !session.counters.empty() ||
         (!function.maskInput.empty() && session.hasReused());
}

uint64_t PackageAudit::chunkOf(const HostFunction &function) const {
  if (!function.isAnyLength())
    return function.mostTokens;
  if (function.takes(kChunk))
    return kChunk;
  const auto allowed = std::ranges::find_if(function.allowedTokens, [](uint64_t count) { return count > 1; });
  return allowed != function.allowedTokens.end() ? *allowed : function.leastTokens;
}

/// In the middle of the caches and at their end; of those whose rows are used again, where they have been filled.
std::vector<uint64_t> PackageAudit::farPositions(uint64_t numTokens) const {
  const CacheForm cache = session.cache();
  std::vector<uint64_t> positions;
  const auto add = [&](uint64_t position) {
    if (position > 0 && (cache.style != CacheStyle::linear || position + numTokens <= cache.numRows) &&
        std::ranges::find(positions, position) == positions.end())
      positions.push_back(position);
  };
  // A ring's calls begin at multiples of their length.
  const auto aligned = [&](uint64_t position) { return position / numTokens * numTokens; };
  if (cache.numRows == 0)
    return positions;
  const bool isLinear = cache.style == CacheStyle::linear;
  add(session.hasReused() ? aligned(cache.numRows / 2) : cache.numRows / 2);
  add(isLinear ? cache.numRows - std::min(cache.numRows, numTokens) : aligned(cache.numRows));
  return positions;
}

/// Ways to give a function's calls their place among others: at the front, behind another of its own, behind and in
/// front of the reference's.
std::vector<std::vector<Piece>> PackageAudit::plansOf(const HostFunction &function,
                                                      const HostFunction *reference) const {
  const uint64_t count = chunkOf(function);
  const CacheForm cache = session.cache();
  const bool isReused = session.hasReused();
  const uint64_t most = cache.numRows == 0                  ? 4 * count
                        : cache.style != CacheStyle::linear ? cache.numRows + count
                                                            : cache.numRows;
  const Piece piece{&function, count};
  std::vector<std::vector<Piece>> plans = {{piece}};
  if (isFirstOnly(function))
    return plans;
  if (isReused)
    plans.push_back({piece, piece, piece});
  else if (2 * count <= most)
    plans.push_back({piece, piece});
  if (!reference)
    return plans;
  const Piece other{reference, leastTokensOf(*reference)};
  // A ring's calls begin at multiples of their length.
  const uint64_t before = isReused && session.cache().style != CacheStyle::shift ? count : 2;
  for (const uint64_t tokensBefore : {uint64_t{0}, before}) {
    const uint64_t numBefore = (tokensBefore + other.numTokens - 1) / other.numTokens;
    std::vector<Piece> plan(numBefore, other);
    plan.push_back(piece);
    for (uint64_t i = 0; i < 3 && (numBefore + i) * other.numTokens + count < most; ++i)
      plan.push_back(other);
    if (numBefore * other.numTokens + count <= most)
      plans.push_back(plan);
  }
  return plans;
}

/// The function of the shortest calls; of several, one that takes no others. Null if none goes on by itself.
const HostFunction *PackageAudit::findReference(bool takesVectors) const {
  const HostFunction *best = nullptr;
  for (const HostFunction &function : functions)
    if (function.takesVectors == takesVectors && isPlayed(function) && !isFirstOnly(function) &&
        (!best || leastTokensOf(function) < leastTokensOf(*best) ||
         (leastTokensOf(function) == leastTokensOf(*best) && !function.isAnyLength())))
      best = &function;
  return best;
}

void PackageAudit::makeRuns() {
  for (const bool takesVectors : {false, true})
    makeSeries(takesVectors);
}

void PackageAudit::makeSeries(bool takesVectors) {
  const HostFunction *reference = findReference(takesVectors);
  const uint64_t least = reference ? leastTokensOf(*reference) : 1;
  std::vector<std::vector<Piece>> plans;
  for (const HostFunction &function : functions)
    if (function.takesVectors == takesVectors && isPlayed(function) &&
        (chunkOf(function) > least || &function != reference))
      for (auto &plan : plansOf(function, reference))
        plans.push_back(std::move(plan));
  uint64_t most = std::max<uint64_t>(8, 2 * least);
  for (const auto &plan : plans) {
    uint64_t count = 0;
    for (const Piece &piece : plan)
      count += piece.numTokens;
    most = std::max(most, count);
  }
  constexpr uint64_t kShortRing = 64;
  for (const auto &[state, form] : session.forms)
    if (form.style != CacheStyle::linear && form.numRows <= kShortRing)
      most = std::max(most, form.numRows + 2 * least);
  if (session.cache().numRows != 0 && session.cache().style == CacheStyle::linear)
    most = std::min(most, session.cache().numRows);
  const auto play = [&](const std::vector<Piece> &plan) {
    Run run = session.run(plan, Session::Watch::rows);
    collectFacts(run);
    if (!run.failure.empty())
      notes.push_back(run.failure);
    return run;
  };
  Series made{reference, {}, {}};
  if (reference)
    made.shortest = play(std::vector<Piece>(most / least, {reference, least}));
  for (const auto &plan : plans)
    made.runs.push_back(play(plan));
  series.push_back(std::move(made));
}

/// Functions without tokens are called once with made up inputs: which states do they fill as a whole?
void PackageAudit::findFilled() {
  for (const FunctionDescription &function : program.description().functions) {
    if (std::ranges::find(functions, function.name, &HostFunction::name) != functions.end())
      continue;
    Tensors before[2], after[2];
    try {
      for (size_t run = 0; run < 2; ++run) {
        before[run] = program.zeroState();
        for (auto &[name, value] : before[run])
          value = fill(value, run + 1);
        after[run] = before[run];
        program.call(function.name, after[run], madeUpInputs(function, 0));
      }
    } catch (const Error &) {
      continue;
    }
    for (const auto &[name, value] : before[0]) {
      const auto slabs = rowMap({value, after[0].at(name)}, {before[1].at(name), after[1].at(name)}, {0, {}});
      if (value.numElements() > 1 && slabs[0].written.size() == value.dims[0])
        filledElsewhere.insert(name);
    }
  }
}

/// A state of one number that is the number of tokens after every call.
void PackageAudit::findCounters() {
  for (const SlotDescription &slot : program.description().slots) {
    size_t numCalls = 0;
    bool isCount = !session.axes.contains(slot.name);
    const auto look = [&](const Run &run) {
      for (const Step &step : run.steps) {
        const Tensor &value = step.states.at(slot.name);
        isCount =
            isCount && value.numElements() == 1 && value.at(0) == static_cast<float>(step.position + step.numTokens);
        ++numCalls;
      }
    };
    for (const Series &each : series) {
      look(each.shortest);
      std::ranges::for_each(each.runs, look);
    }
    if (isCount && numCalls > 1)
      session.counters.insert(slot.name);
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

/// Numbers that are kept for each token beside its codes: a scale that comes from the largest number makes that one a
/// code at the limit.
uint64_t PackageAudit::numScalesOf(const std::string &state) const {
  const auto perToken = [&](const std::string &name) {
    uint64_t count = 1;
    for (size_t axis = 0; axis < program.findSlot(name)->shape.size(); ++axis)
      count *= axis == session.axes.at(name).token ? 1 : program.findSlot(name)->shape[axis];
    return count;
  };
  uint64_t count = 0;
  for (const auto &[name, ignored] : session.axes)
    if (isFloat(program.zeroState().at(name).element) && perToken(name) < perToken(state))
      count += perToken(name);
  return count;
}

/// Infinite and NaN numbers, and codes at their limits, in what calls wrote. A run is looked at up to its first number
/// that is none: what comes after it attends to that.
void PackageAudit::checkNumbers() {
  struct Count {
    uint64_t numElements = 0, numLimits = 0, numOdd = 0;
  };
  std::map<std::string, Count> counts;
  const auto count = [&](const Run &run) {
    for (const Step &step : run.steps) {
      Count own;
      for (const auto &[state, ignored] : session.axes)
        for (uint64_t i = 0; i < step.numTokens; ++i) {
          uint64_t numLimits = 0;
          for (const auto &row : rowsOf(step, state, step.position + i))
            for (const float number : row) {
              ++own.numElements;
              own.numOdd += !std::isfinite(number);
              numLimits += step.states.at(state).element == ElementType::i8 && std::fabs(number) >= 127;
            }
          own.numLimits += numLimits - std::min(numLimits, numScalesOf(state));
        }
      Count &all = counts[step.function->name()];
      all = {all.numElements + own.numElements, all.numLimits + own.numLimits, all.numOdd + own.numOdd};
      if (own.numOdd > 0)
        break;
    }
  };
  for (const Series &each : series) {
    count(each.shortest);
    std::ranges::for_each(each.runs, count);
  }
  for (const auto &[function, own] : counts) {
    const std::string share = " of " + std::to_string(own.numElements) + " stored ";
    if (own.numLimits >= 2 && own.numLimits * 50 >= own.numElements)
      add(BugClass::precision, function, "",
          std::to_string(own.numLimits) + share +
              "codes are the largest or least that int8 has: the scale is too small");
    if (own.numOdd > 0)
      add(BugClass::precision, function, "", std::to_string(own.numOdd) + share + "numbers are infinite or NaN");
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

uint64_t leastTokensOf(const HostFunction &function) {
  return function.isAnyLength() ? function.leastTokens : function.mostTokens;
}

/// A prompt of another length than the one call's can't be read by such calls alone, and a second does not fit.
bool PackageAudit::needsPadding() const {
  const CacheForm cache = session.cache();
  return std::ranges::any_of(functions, [&](const HostFunction &function) {
    return cache.style == CacheStyle::linear && !function.isAnyLength() && function.mostTokens > 1 &&
           function.mostTokens < cache.numRows && 2 * function.mostTokens > cache.numRows && functions.size() > 1;
  });
}

} // namespace kvasir::imported
