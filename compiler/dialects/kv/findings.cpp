// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/findings.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace kvasir::kv;

ArrayRef<RuleText> kvasir::kv::ruleTexts() {
  static constexpr RuleText kTexts[] = {
#define KVASIR_RULE(enumerator, family, name, meaning, sentence, remedy) {family, name, meaning, sentence, remedy},
#include "compiler/dialects/kv/rules.def"
#undef KVASIR_RULE
  };
  return kTexts;
}

namespace {
/// `text` with each "{key}" replaced by its value.
std::string fill(StringRef text, ArrayRef<std::pair<std::string, StringRef>> values) {
  std::string filled = text.str();
  for (auto &[key, value] : values)
    for (size_t at = filled.find(key); at != std::string::npos; at = filled.find(key, at + value.size()))
      filled.replace(at, key.size(), value.data(), value.size());
  return filled;
}
} // namespace

void Finding::note(Location where, const Twine &what) {
  std::pair<Location, std::string> entry(where, what.str());
  if (!llvm::is_contained(notes, entry))
    notes.push_back(entry);
}

Finding &Findings::add(Operation *at, Rule rule, const Subject &subject, ArrayRef<std::string> values) {
  if (disabled.test(unsigned(rule)))
    return ignored = Finding();
  auto [it, isNew] = index.try_emplace(Key(at, rule, subject.slot, subject.entry), found.size());
  if (!isNew)
    return found[it->second];
  StringRef entry = subject.entry.empty() ? StringRef("the module") : StringRef(subject.entry);
  SmallVector<std::pair<std::string, StringRef>> fields{
      {"{entry}", entry}, {"{slot}", subject.slot}, {"{rows}", subject.rows}};
  for (auto [i, value] : llvm::enumerate(values))
    fields.emplace_back("{" + std::to_string(i) + "}", value);
  Finding &finding = found.emplace_back();
  finding.at = at;
  finding.rule = rule;
  finding.sentence = fill(textOf(rule).sentence, fields);
  finding.remedy = fill(textOf(rule).remedy, fields);
  return finding;
}

void Findings::addInternal(Operation *at, StringRef what) {
  Finding &finding = found.emplace_back();
  finding.at = at;
  finding.sentence = ("internal error of verify-state: " + what).str();
}

std::string kvasir::kv::describe(const std::set<int64_t> &layers) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << (layers.size() == 1 ? "layer " : "layers ");
  for (auto it = layers.begin(); it != layers.end();) {
    int64_t first = *it, last = first;
    while (++it != layers.end() && *it == last + 1)
      ++last;
    stream << first;
    if (last > first)
      stream << '-' << last;
    if (it != layers.end())
      stream << ", ";
  }
  return text;
}

void Findings::emit() {
  for (Finding &finding : found) {
    std::string layers = describe(finding.layers);
    InFlightDiagnostic error = emitError(finding.at->getLoc());
    if (!finding.remedy.empty())
      error << textOf(finding.rule).family << ": ";
    error << fill(finding.sentence, {{"{layers}", layers}});
    if (!finding.remedy.empty())
      error << "; " << finding.remedy;
    for (auto &[where, what] : finding.notes)
      error.attachNote(where) << what;
  }
}
