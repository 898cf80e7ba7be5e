// SPDX-License-Identifier: MIT
#include "runtime/imported/session.h"

#include <algorithm>

namespace kvasir::imported {
namespace {

// Small steps through a small vocabulary, without repeats side by side.
constexpr uint32_t kIds[] = {3, 7, 1, 12, 5, 9, 21, 30, 2, 17, 26, 11, 6, 28, 14, 19};

constexpr size_t kWatchedFirst = 16, kWatchedLast = 4; // steps of a run

} // namespace

const Step *Run::stepOf(uint64_t token) const {
  const auto found = std::ranges::find_if(
      steps, [&](const Step &step) { return token >= step.position && token < step.position + step.numTokens; });
  return found == steps.end() ? nullptr : &*found;
}

Session::Session(const Program &program, const std::vector<HostFunction> &functions)
    : code(program), hosts(functions) {}

CacheForm Session::cache() const {
  CacheForm best;
  for (const auto &[state, form] : forms)
    if (const bool isLinear = form.style == CacheStyle::linear, wasLinear = best.style == CacheStyle::linear;
        best.numRows == 0 || (isLinear != wasLinear ? isLinear : form.numRows < best.numRows))
      best = form;
  return best;
}

bool Session::hasReused() const {
  return std::ranges::any_of(forms, [](const auto &each) { return each.second.style != CacheStyle::linear; });
}

void Session::setWindows(uint64_t window) {
  for (auto &[state, form] : forms)
    form.window = window;
}

std::vector<CacheForm> Session::allForms() const {
  std::vector<CacheForm> all = {cache()};
  for (const auto &[state, form] : forms)
    if (std::ranges::find(all, form) == all.end())
      all.push_back(form);
  return all;
}

std::vector<int32_t> Session::ids(const HostFunction &function, uint64_t first, uint64_t count, uint64_t changed,
                                  int64_t changedSequence) const {
  std::vector<int32_t> ids;
  for (uint64_t sequence = 0; sequence < function.batch; ++sequence)
    for (uint64_t token = first; token < first + count; ++token) {
      const bool isChanged =
          token == changed && (changedSequence < 0 || static_cast<uint64_t>(changedSequence) == sequence);
      for (uint64_t book = 0; book < function.idsPerToken; ++book) {
        const uint32_t id = kIds[(token + 5 * sequence + 3 * book) % std::size(kIds)] + (isChanged ? 1 : 0);
        ids.push_back(static_cast<int32_t>(id % vocabulary));
      }
    }
  return ids;
}

std::map<std::string, std::vector<SlabRows>> Session::rowsOf(const HostCall &given, const Tensors &before) const {
  std::map<std::string, std::vector<SlabRows>> rows;
  Tensors after[2];
  for (uint64_t run = 0; run < 2; ++run) {
    for (const auto &[name, value] : before)
      after[run][name] = axes.contains(name) ? filled(name, value, run + 1) : value;
    call(given, after[run]);
  }
  for (const auto &[name, known] : axes)
    rows[name] = rowMap({filled(name, before.at(name), 1), after[0].at(name)},
                        {filled(name, before.at(name), 2), after[1].at(name)}, known);
  return rows;
}

const Tensor &Session::filled(const std::string &name, const Tensor &like, uint64_t seed) const {
  Tensor &kept = fills[{name, seed}];
  if (kept.bytes.size() != like.bytes.size())
    kept = fill(like, seed);
  return kept;
}

/// A context may have many rows, and a run many steps.
Tensors Session::keptOf(const Tensors &state, uint64_t end) const {
  Tensors kept;
  for (const auto &[name, value] : state) {
    const auto known = axes.find(name);
    const bool isCut = known != axes.end() && forms.at(name).style == CacheStyle::linear;
    kept[name] = isCut ? firstRows(value, known->second.token, end) : value;
  }
  return kept;
}

Tensors Session::stateAt(uint64_t position) const {
  Tensors state = code.zeroState();
  for (const std::string &counter : counters)
    state.at(counter).set(0, static_cast<double>(position));
  return state;
}

Run Session::run(const std::vector<Piece> &pieces, Watch watch, uint64_t changed, int64_t sequence) const {
  return runFrom(code.zeroState(), 0, pieces, watch, changed, sequence);
}

Run Session::runFrom(Tensors state, uint64_t start, const std::vector<Piece> &pieces, Watch watch, uint64_t changed,
                     int64_t sequence) const {
  Run run{start, {}, ""};
  // Watching a step takes two calls more; of many, the first and the last say what others would.
  const auto isWatched = [&](size_t numSteps, size_t step) {
    return watch == Watch::rows && (step < kWatchedFirst || step + kWatchedLast >= numSteps);
  };
  uint64_t position = start;
  for (const Piece &piece : pieces) {
    const HostCall given{piece.function, ids(*piece.function, position, piece.numTokens, changed, sequence), position};
    Step step{piece.function, position, piece.numTokens, {}, {}, {}};
    try {
      if (isWatched(pieces.size(), run.steps.size()))
        step.rows = rowsOf(given, state);
      step.outputs = call(given, state);
      step.states = keptOf(state, position + piece.numTokens);
    } catch (const Error &error) {
      run.failure = piece.function->name() + " at position " + std::to_string(position) + ": " + error.what();
      return run;
    }
    run.steps.push_back(std::move(step));
    position += piece.numTokens;
  }
  return run;
}

std::vector<std::vector<float>> tokenOutputs(const Tensor &output, const HostFunction &function, uint64_t numTokens) {
  // Behind the batch; a matrix may have none.
  size_t axis = output.dims.size();
  for (size_t i = output.dims.size(); i-- > 0;)
    if (output.dims[i] == numTokens && (i > 0 || (output.dims.size() == 2 && function.batch == 1)))
      axis = i;
  uint64_t inner = 1;
  for (size_t i = axis + 1; i < output.dims.size(); ++i)
    inner *= output.dims[i];
  const bool hasTokens = numTokens > 1 && axis < output.dims.size();
  std::vector<std::vector<float>> tokens(hasTokens ? numTokens : 1);
  for (uint64_t i = 0; i < output.numElements(); ++i)
    tokens[hasTokens ? i / inner % numTokens : 0].push_back(output.at(i));
  return tokens;
}

std::vector<std::vector<float>> tokenRows(const Tensor &state, const RowAxes &axes, const CacheForm &cache,
                                          uint64_t token, uint64_t end) {
  const Rows rows(state.dims, axes);
  const bool isHeld = cache.holds(token, end) && cache.rowOf(token, end) < rows.numRows();
  std::vector<std::vector<float>> slabs(isHeld ? rows.numSlabs() : 0);
  for (uint64_t slab = 0; slab < slabs.size(); ++slab)
    for (uint64_t i = 0; i < rows.rowElements(); ++i)
      slabs[slab].push_back(state.at(rows.offset(slab, cache.rowOf(token, end), i)));
  return slabs;
}

} // namespace kvasir::imported
