// SPDX-License-Identifier: MIT
#include "compiler/mutate/mutant.h"

#include "compiler/mutate/mutations.h"

#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

#include <set>

using namespace mlir;
using namespace kvasir;

namespace {
constexpr void (*kMutations[])(Operation *, MutantList &) = {
    addRemoved,           addDoubled,       addConditional,  addMoved,         addLateReads, addExchangedRows,
    addExchangedBranches, addShiftedLayers, addShiftedLoops, addShiftedRanges, addFewerRows, addOtherWindows,
    addOtherBinds,        addOlderVersions, addOtherSlots,   addExchangedSlots};
} // namespace

uint64_t kvasir::hashOf(ModuleOp program) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  program->print(stream, OpPrintingFlags().printGenericOpForm());
  return llvm::xxh3_64bits(text);
}
ProgramCopy::ProgramCopy(ModuleOp program) { module = cast<ModuleOp>(program->clone(mapping)); }

void MutantList::add(Operation *at, StringRef mutation, const Twine &change, std::function<void(ProgramCopy &)> apply) {
  std::string op = at->getName().getStringRef().str(), slots = slotsOf(at);
  mutants.push_back(
      {mutation.str(), placeOf(at), slots.empty() ? op : op + " " + slots, change.str(), std::move(apply)});
}

std::string kvasir::placeOf(Operation *op) {
  Location location = op->getLoc();
  while (auto call = dyn_cast<CallSiteLoc>(location))
    location = call.getCallee();
  if (auto name = dyn_cast<NameLoc>(location))
    return name.getName().str();
  if (auto file = dyn_cast<FileLineColLoc>(location))
    return (llvm::sys::path::filename(file.getFilename()) + ":" + Twine(file.getLine()) + ":" + Twine(file.getColumn()))
        .str();
  return "?";
}

std::vector<Mutant> kvasir::makeMutants(ModuleOp program) {
  MutantList list;
  program.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (functionOf(op))
      for (auto add : kMutations)
        add(op, list);
  });
  std::vector<Mutant> mutants;
  std::set<uint64_t> known = {hashOf(program)};
  for (Mutant &mutant : list.take()) {
    ProgramCopy copy(program);
    mutant.apply(copy);
    if (known.insert(hashOf(*copy.module)).second)
      mutants.push_back(std::move(mutant));
  }
  return mutants;
}
