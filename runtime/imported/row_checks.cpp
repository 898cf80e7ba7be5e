// SPDX-License-Identifier: MIT
// Which rows calls write, and which they should.
#include "runtime/imported/package_audit.h"

#include <algorithm>

namespace kvasir::imported {
namespace {

/// "[pos + 1, pos + 5)" of rows in one run that begin `offset` rows behind the position.
std::string rowsFrom(int64_t offset, uint64_t count) {
  const auto text = [](int64_t number) {
    return number == 0  ? std::string("pos")
           : number > 0 ? "pos + " + std::to_string(number)
                        : "pos - " + std::to_string(-number);
  };
  return "[" + text(offset) + ", " + text(offset + int64_t(count)) + ")";
}

bool isOneRun(const std::vector<uint64_t> &rows) {
  return rows.empty() || rows.back() - rows.front() + 1 == rows.size();
}

std::string rowsAt(const std::vector<uint64_t> &rows, uint64_t position) {
  return rows.empty()     ? "[]"
         : isOneRun(rows) ? rowsFrom(int64_t(rows.front()) - int64_t(position), rows.size())
                          : rangesText(rows);
}

/// What most slabs of a call show.
const SlabRows &typical(const std::vector<SlabRows> &slabs) {
  for (const SlabRows &slab : slabs)
    if (!slab.written.empty())
      return slab;
  return slabs.front();
}

std::string tokensText(uint64_t count) { return std::to_string(count) + (count == 1 ? " token" : " tokens"); }

} // namespace

std::vector<uint64_t> PackageAudit::dueRows(const RowFact &fact) const {
  std::vector<uint64_t> rows;
  const uint64_t end = fact.position + fact.numTokens;
  for (uint64_t token = fact.position; token < end; ++token)
    rows.push_back(session.forms.at(fact.state).rowOf(token, end));
  std::ranges::sort(rows);
  return rows;
}

bool PackageAudit::isRight(const RowFact &fact) const {
  const auto due = dueRows(fact);
  const CacheForm &form = session.forms.at(fact.state);
  const bool isShift = form.style == CacheStyle::shift;
  return std::ranges::all_of(fact.slabs, [&](const SlabRows &slab) {
    const bool isMoved = !isShift || slab.moved.empty() || slab.movedFrom == int64_t(fact.numTokens);
    return slab.written == due && slab.partial.empty() && isMoved &&
           (!isShift || slab.moved.size() + due.size() == form.numRows);
  });
}

/// What each function writes at position 0, also where it is known to be wrong: the rows behind the sentences.
void PackageAudit::watchEach() {
  for (const HostFunction &function : functions) {
    const uint64_t count = chunkOf(function);
    try {
      for (const auto &[name, slabs] :
           session.rowsOf({&function, session.ids(function, 0, count), 0}, program.zeroState())) {
        const RowFact fact{&function, name, 0, count, slabs};
        uint64_t numEmpty = 0;
        for (const SlabRows &slab : slabs)
          numEmpty += slab.written.empty() && slab.moved.empty();
        const auto due = dueRows(fact);
        std::string line = function.name() + " of " + tokensText(count) + " at position 0, state " + name + ": rows ";
        line += numEmpty == slabs.size() ? rangesText(due) + " are not written"
                                         : rangesText(typical(slabs).written) + " are written";
        if (numEmpty > 0 && numEmpty < slabs.size())
          line +=
              ", in " + std::to_string(slabs.size() - numEmpty) + " of " + std::to_string(slabs.size()) + " slabs only";
        if (!typical(slabs).moved.empty())
          line += ", others moved by " + std::to_string(typical(slabs).movedFrom);
        rowLines.push_back(line + (isRight(fact) ? "" : ", expected " + rangesText(due)));
      }
    } catch (const Error &error) {
      notes.push_back(function.name() + " at position 0: " + error.what());
    }
  }
}

void PackageAudit::collectFacts(const Run &run) {
  for (const Step &step : run.steps)
    for (const auto &[state, slabs] : step.rows)
      facts.push_back({step.function, state, step.position, step.numTokens, slabs});
}

void PackageAudit::judgeRows() {
  std::vector<const RowFact *> counted;
  for (const HostFunction &function : functions)
    for (const auto &[state, ignored] : session.axes) {
      std::vector<const RowFact *> own;
      bool isWrong = false;
      for (const RowFact &fact : facts)
        if (fact.function == &function && fact.state == state) {
          own.push_back(&fact);
          isWrong |= !isRight(fact);
        }
      if (!isWrong || hasError(function, state))
        continue;
      if (session.forms.at(state).style != CacheStyle::linear)
        judgeReused(function, state, own);
      else if (function.style == PositionStyle::internal && isRight(*own.front()))
        std::ranges::copy_if(own, std::back_inserter(counted), [&](const RowFact *fact) { return !isRight(*fact); });
      else
        judgeFacts(function, state, own);
    }
  judgeCounters(counted);
}

/// The state itself says where rows go, and each function is right on a new state: what it says is wrong after another
/// call. Every cache and function suffers; each is named once.
void PackageAudit::judgeCounters(const std::vector<const RowFact *> &wrong) {
  std::set<std::string> names, states;
  for (const RowFact *fact : wrong) {
    names.insert(fact->function->name());
    states.insert(fact->state);
  }
  auto name = names.begin();
  for (const std::string &state : states) {
    const auto fact = std::ranges::find_if(
        wrong, [&](const RowFact *each) { return each->state == state && each->function->name() == *name; });
    if (fact != wrong.end())
      add(BugClass::wrongOffset, *name, state,
          "after " + tokensText((*fact)->position) + " its call of " + tokensText((*fact)->numTokens) +
              " writes rows " + rangesText(typical((*fact)->slabs).written) +
              ": the length that the state keeps is not advanced by the tokens of each call",
          rowsAt(typical((*fact)->slabs).written, (*fact)->position), rowsFrom(0, (*fact)->numTokens));
    if (++name == names.end())
      name = names.begin();
  }
}

/// Some slabs have their rows and others none.
bool PackageAudit::judgeSlabs(const HostFunction &function, const std::string &state, const RowFact &fact) {
  const Rows rows(program.findSlot(state)->shape, session.axes.at(state));
  std::string missing;
  size_t numMissing = 0;
  const auto batch = batchAxes(function, state);
  for (uint64_t slab = 0; slab < fact.slabs.size(); ++slab) {
    if (!fact.slabs[slab].written.empty() || !fact.slabs[slab].partial.empty())
      continue;
    std::string index;
    for (const uint64_t each : rows.indexOf(slab))
      index += (index.empty() ? "" : ", ") + std::to_string(each);
    missing += (missing.empty() ? "[" : ", [") + index + "]";
    ++numMissing;
  }
  if (numMissing == 0 || numMissing == fact.slabs.size())
    return false;
  add(batch.size() == 1 && session.axes.at(state).slabs.size() == 1 ? BugClass::otherSequence : BugClass::wrongSlab,
      function.name(), state,
      "slabs " + missing + " get no rows in a call of " + tokensText(fact.numTokens) +
          ": their layer, head or sequence is written elsewhere, or not at all");
  return true;
}

void PackageAudit::judgeFacts(const HostFunction &function, const std::string &state,
                              const std::vector<const RowFact *> &own) {
  const auto wrong = std::ranges::find_if(own, [&](const RowFact *fact) { return !isRight(*fact); });
  const RowFact &fact = **wrong;
  if (judgeSlabs(function, state, fact))
    return;
  const std::vector<uint64_t> &written = typical(fact.slabs).written, due = dueRows(fact);
  const std::string rows = rowsAt(written, fact.position), expected = rowsFrom(0, fact.numTokens);
  const bool isFrozen =
      own.size() > 1 &&
      std::ranges::all_of(
          own,
          [&](const RowFact *each) { return typical(each->slabs).written == typical(own.front()->slabs).written; }) &&
      own.front()->position != own.back()->position;
  const std::string place = "at position " + std::to_string(fact.position) + " it writes rows " + rangesText(written);
  if (written.empty())
    add(BugClass::neverWritten, function.name(), state,
        "rows " + rangesText(due) + " are not written in a call of " + tokensText(fact.numTokens), "[]", expected);
  else if (isFrozen)
    add(BugClass::frozenOffset, function.name(), state, "rows " + rangesText(written) + " are written in every call",
        rangesText(written), expected);
  else if (std::ranges::includes(due, written))
    add(BugClass::fewerRows, function.name(), state, place + " only, expected " + rangesText(due), rows, expected);
  else if (written.front() == due.front() && std::ranges::includes(written, due))
    add(BugClass::staleTail, function.name(), state,
        place + ", expected " + rangesText(due) + ": those behind its tokens hold nothing", rows, expected);
  else
    add(BugClass::wrongOffset, function.name(), state, place + ", expected " + rangesText(due), rows, expected);
}

/// Rings and shifts.
void PackageAudit::judgeReused(const HostFunction &function, const std::string &state,
                               const std::vector<const RowFact *> &own) {
  const auto wrong = std::ranges::find_if(own, [&](const RowFact *fact) { return !isRight(*fact); });
  const RowFact &fact = **wrong;
  const SlabRows &slab = typical(fact.slabs);
  const CacheForm &form = session.forms.at(state);
  const std::string modulus = std::to_string(form.numRows);
  if (form.style == CacheStyle::shift)
    return add(BugClass::wrongRing, function.name(), state,
               "a call of " + tokensText(fact.numTokens) + " moves rows by " + std::to_string(slab.movedFrom) +
                   " and writes rows " + rangesText(slab.written) + ", expected " + std::to_string(fact.numTokens) +
                   " and " + rangesText(dueRows(fact)),
               rangesText(slab.written), rangesText(dueRows(fact)));
  add(BugClass::wrongRing, function.name(), state,
      "at position " + std::to_string(fact.position) + " it writes rows " + rangesText(slab.written) + ", expected " +
          rangesText(dueRows(fact)) + ": position modulo " + modulus,
      rangesText(slab.written) + " for pos >= " + modulus, "{pos % " + modulus + "}");
}

/// The last rows of the caches, and what comes behind them.
void PackageAudit::checkEnds() {
  const CacheForm form = session.cache();
  if (form.numRows == 0 || form.style != CacheStyle::linear)
    return;
  for (const HostFunction &function : functions) {
    const uint64_t count = leastTokensOf(function);
    if (!isPlayed(function) || isFirstOnly(function) || hasError(function) || count > form.numRows ||
        function.style == PositionStyle::internal)
      continue;
    checkEnd(function, form.numRows - count, false);
    checkEnd(function, form.numRows, true);
  }
}

/// What counts tokens in the state itself, where its type may end: at powers of two, and at the last rows.
void PackageAudit::checkCounters() {
  const CacheForm form = session.cache();
  for (const HostFunction &function : functions) {
    const uint64_t count = chunkOf(function);
    if (function.style != PositionStyle::internal || form.style != CacheStyle::linear || form.numRows < count ||
        !isPlayed(function))
      continue;
    std::set<uint64_t> positions = {form.numRows - count};
    for (uint64_t position = 16; position + count <= form.numRows; position *= 2)
      positions.insert(position);
    for (const uint64_t position : positions)
      for (const std::string &counter : session.counters)
        if (!hasError(function))
          checkCounter(function, counter, position);
  }
}

void PackageAudit::checkCounter(const HostFunction &function, const std::string &counter, uint64_t position) {
  const uint64_t count = chunkOf(function);
  Tensors state = session.stateAt(position);
  if (state.at(counter).at(0) != static_cast<float>(position))
    return; // no call leaves it so
  try {
    session.call({&function, session.ids(function, position, count), position}, state);
    const float counted = state.at(counter).at(0);
    if (counted != static_cast<float>(position + count))
      return add(BugClass::overflow, function.name(), counter,
                 "is " + std::to_string(static_cast<int64_t>(counted)) + " after a call of " + tokensText(count) +
                     " at position " + std::to_string(position) + ", expected " + std::to_string(position + count) +
                     ": its type counts no further");
  } catch (const Error &error) {
    notes.push_back(function.name() + " at position " + std::to_string(position) + ": " + error.what());
  }
}

void PackageAudit::checkEnd(const HostFunction &function, uint64_t position, bool isBeyond) {
  const uint64_t count = leastTokensOf(function);
  std::map<std::string, std::vector<SlabRows>> rows;
  try {
    rows = session.rowsOf({&function, session.ids(function, position, count), position}, program.zeroState());
  } catch (const Error &error) {
    if (!isBeyond)
      notes.push_back(function.name() + " at position " + std::to_string(position) + ": " + error.what());
    return;
  }
  for (const auto &[state, slabs] : rows) {
    const RowFact fact{&function, state, position, count, slabs};
    const std::vector<uint64_t> &written = typical(slabs).written;
    if (session.forms.at(state) != session.cache() || written.empty() || (!isBeyond && isRight(fact)))
      continue;
    add(BugClass::overflow, function.name(), state,
        "at position " + std::to_string(position) + " of " + std::to_string(session.cache().numRows) +
            " it writes rows " + rangesText(written) +
            (isBeyond ? ": beyond its last row a cache must refuse, or every further token overwrites others"
                      : ", expected " + rangesText(dueRows(fact)) + ": the offset does not fit its integer type"),
        rangesText(written), isBeyond ? "[]" : rangesText(dueRows(fact)));
  }
}

} // namespace kvasir::imported
