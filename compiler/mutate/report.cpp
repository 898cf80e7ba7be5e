// SPDX-License-Identifier: MIT
#include "compiler/mutate/report.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"

#include <map>

using namespace kvasir;

namespace {
constexpr size_t kNumFates = 5;
constexpr const char *kFateNames[kNumFates] = {"refused", "stopped", "same", "different", "failed"};

const char *nameOf(Fate fate) { return kFateNames[size_t(fate)]; }

std::string firstLine(llvm::StringRef text) { return text.split('\n').first.str(); }
} // namespace

size_t Report::count(Fate fate) const {
  return llvm::count_if(fates, [&](const MutantFate &mutant) { return mutant.fate == fate; });
}

/// Of those that change what the program does, how many are refused or stopped; 1 where none does.
double Report::killRate() const {
  const size_t numReal = fates.size() - count(Fate::same);
  return numReal ? double(count(Fate::refused) + count(Fate::stopped)) / double(numReal) : 1;
}

void Report::printText(llvm::raw_ostream &stream) const {
  for (const MutantFate &mutant : fates)
    if (options.verbose || mutant.fate == Fate::different || mutant.fate == Fate::failed)
      stream << nameOf(mutant.fate) << ": " << mutant.name << (mutant.why.empty() ? "" : ": ") << firstLine(mutant.why)
             << "\n";
  printTable(stream);
  printRules(stream);
  stream << options.input << ": " << fates.size() << " mutants, " << count(Fate::refused) << " refused, "
         << count(Fate::stopped) << " stopped when called, " << count(Fate::same) << " do what the program does in "
         << numSteps << " steps";
  if (!isGood())
    stream << ", " << count(Fate::different) << " do something else, " << count(Fate::failed) << " can't be run";
  stream << llvm::format("; kill rate %.1f %%\n", 100 * killRate());
}

void Report::printTable(llvm::raw_ostream &stream) const {
  llvm::MapVector<llvm::StringRef, std::array<size_t, kNumFates>> rows;
  for (const MutantFate &mutant : fates)
    ++rows[mutant.mutation][size_t(mutant.fate)];
  stream << "mutation      made";
  for (const char *name : kFateNames)
    stream << llvm::format("%11s", name);
  stream << "\n";
  for (const auto &[mutation, counts] : rows) {
    size_t made = 0;
    for (size_t number : counts)
      made += number;
    stream << llvm::format("%-12s%6zu", mutation.str().c_str(), made);
    for (size_t number : counts)
      stream << llvm::format("%11zu", number);
    stream << "\n";
  }
}

void Report::printRules(llvm::raw_ostream &stream) const {
  std::map<std::string, size_t> rules;
  for (const MutantFate &mutant : fates)
    if (mutant.fate == Fate::refused)
      ++rules[mutant.rule];
  stream << "refused by: ";
  llvm::interleaveComma(rules, stream, [&](const auto &rule) { stream << rule.first << " " << rule.second; });
  stream << "\n";
}

void Report::printJson(llvm::raw_ostream &stream) const {
  llvm::json::OStream json(stream, /*IndentSize=*/1);
  json.object([&] {
    json.attribute("program", options.input);
    json.attribute("seed", options.seed);
    json.attribute("steps", int64_t(numSteps));
    json.attribute("made", int64_t(fates.size()));
    for (size_t fate = 0; fate < kNumFates; ++fate)
      json.attribute(kFateNames[fate], int64_t(count(Fate(fate))));
    json.attribute("kill_rate", killRate());
    json.attributeArray("mutants", [&] {
      for (const MutantFate &mutant : fates)
        json.object([&] {
          json.attribute("mutation", mutant.mutation);
          json.attribute("name", mutant.name);
          json.attribute("fate", nameOf(mutant.fate));
          if (!mutant.rule.empty())
            json.attribute("rule", mutant.rule);
          if (!mutant.why.empty())
            json.attribute("why", mutant.why);
        });
    });
  });
  stream << "\n";
}
