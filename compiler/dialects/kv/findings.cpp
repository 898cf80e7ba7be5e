// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/findings.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace kvasir::kv;

void Finding::note(Location where, const Twine &what) {
  std::pair<Location, std::string> entry(where, what.str());
  if (!llvm::is_contained(notes, entry))
    notes.push_back(entry);
}

Finding &Findings::add(Operation *at, StringRef rule, StringRef subject, StringRef entry) {
  auto [it, isNew] = index.try_emplace(Key(at, rule.str(), subject.str(), entry.str()), found.size());
  if (isNew)
    found.emplace_back();
  Finding &finding = found[it->second];
  finding.at = at;
  finding.rule = rule.str();
  return finding;
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
  constexpr StringLiteral kLayers = "{layers}";
  for (Finding &finding : found) {
    std::string text = finding.text;
    if (size_t at = text.find(kLayers); at != std::string::npos)
      text.replace(at, kLayers.size(), describe(finding.layers));
    InFlightDiagnostic error = emitError(finding.at->getLoc(), finding.rule) << ": " << text;
    if (!finding.advice.empty())
      error << "; " << finding.advice;
    for (auto &[where, what] : finding.notes)
      error.attachNote(where) << what;
  }
}
