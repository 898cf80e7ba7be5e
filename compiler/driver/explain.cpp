// SPDX-License-Identifier: MIT
#include "compiler/driver/explain.h"

#include "compiler/dialects/kv/forms.h"
#include "compiler/driver/describe.h"
#include "compiler/passes/passes.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

#include <set>

using namespace mlir;
using namespace kvasir;

namespace {
/// The name that a person gave to the op's place, else its file and line.
std::string placeOf(Operation *op) {
  std::string name, line;
  op->getLoc()->walk([&](Location location) {
    if (auto named = dyn_cast<NameLoc>(location); named && name.empty())
      name = named.getName().str();
    if (auto file = dyn_cast<FileLineColLoc>(location); file && line.empty())
      line = llvm::formatv("{0}:{1}", StringRef(file.getFilename()).rsplit('/').second, file.getLine());
    return WalkResult::advance();
  });
  return name.empty() ? line : name;
}

/// Ops of a backend's choice: arithmetic of lm, and what touches state.
bool isOffered(Operation *op) {
  return isa<lm::Decomposes, kv::AppendOp, kv::AttendOp, kv::GetOp, kv::SetOp, kv::ReadOp, kv::WriteOp>(op);
}

/// Arithmetic on tensors in upstream dialects.
bool isUpstream(Operation *op) {
  bool isArithmetic = isa<linalg::LinalgOp>(op) || op->hasTrait<OpTrait::Elementwise>();
  return isArithmetic && llvm::any_of(op->getResultTypes(), [](Type type) { return isa<RankedTensorType>(type); });
}

class Explainer {
public:
  Explainer(func::FuncOp function, const Backend &backend) : function(function), backend(backend) {}

  void explain(std::vector<OpFate> &fates) {
    function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isOffered(op) || isUpstream(op))
        fates.push_back(fateOf(op));
    });
  }

private:
  OpFate fateOf(Operation *op) {
    OpFate fate{function.getName().str(), placeOf(op), op->getName().getStringRef().str(), {}, 0, {}};
    if (auto group = op->getParentOfType<kv::GroupOp>()) {
      const std::string &refusal = refusalOf(group);
      if (refusal.empty()) {
        fate.kernel = group.getKernel().str();
        fate.group = std::distance(refusals.begin(), refusals.find(group)) + 1;
        return fate;
      }
      fate.reason = refusal;
    } else if (isOffered(op)) {
      fate.reason = backend.declines(op).value_or("no kernel takes it with the ops around it");
    }
    return fate;
  }

  /// Why the group is declined after all; empty if it is not.
  const std::string &refusalOf(kv::GroupOp group) {
    auto [at, isNew] = refusals.insert({group, {}});
    if (isNew)
      if (llvm::Expected<KernelSignature> signature = backend.signature(group); !signature)
        at->second = llvm::toString(signature.takeError());
    return at->second;
  }

  func::FuncOp function;
  const Backend &backend;
  llvm::MapVector<Operation *, std::string> refusals;
};

std::string becomes(const OpFate &fate) {
  if (!fate.kernel.empty())
    return fate.kernel;
  return fate.reason.empty() ? "lowered as it is" : "decomposed: " + fate.reason;
}

std::string count(ArrayRef<OpFate> fates) {
  size_t numTaken = 0, numDeclined = 0;
  std::set<std::pair<std::string, unsigned>> groups;
  for (const OpFate &fate : fates) {
    numTaken += !fate.kernel.empty();
    numDeclined += !fate.reason.empty();
    if (!fate.kernel.empty())
      groups.insert({fate.function, fate.group});
  }
  return llvm::formatv("{0} ops: {1} taken by {2} kernels, {3} declined and decomposed, {4} lowered as they are\n",
                       fates.size(), numTaken, groups.size(), numDeclined, fates.size() - numTaken - numDeclined);
}
} // namespace

std::vector<OpFate> kvasir::explainProgram(ModuleOp program, const Backend &backend) {
  std::vector<OpFate> fates;
  for (func::FuncOp function : pluginFunctions(program))
    if (!function->hasAttr(kv::kSpecialisesAttr))
      Explainer(function, backend).explain(fates);
  return fates;
}

std::string kvasir::fatesToText(ArrayRef<OpFate> fates) {
  size_t placeWidth = 0, opWidth = 0;
  for (const OpFate &fate : fates) {
    placeWidth = std::max(placeWidth, fate.place.size());
    opWidth = std::max(opWidth, fate.op.size());
  }
  std::string text, function;
  llvm::raw_string_ostream stream(text);
  for (const OpFate &fate : fates) {
    if (fate.function != function)
      stream << fate.function << "\n";
    function = fate.function;
    stream << "  " << llvm::left_justify(fate.place, placeWidth) << "  " << llvm::left_justify(fate.op, opWidth) << "  "
           << becomes(fate) << "\n";
  }
  stream << count(fates);
  return text;
}

std::string kvasir::fatesToJson(ArrayRef<OpFate> fates) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::json::OStream json(stream);
  auto member = [&](StringRef name, const std::string &value) {
    if (!value.empty())
      json.attribute(name, value);
  };
  json.object([&] {
    json.attributeArray("ops", [&] {
      for (const OpFate &fate : fates)
        json.object([&] {
          member("function", fate.function);
          member("place", fate.place);
          member("op", fate.op);
          member("kernel", fate.kernel);
          if (fate.group)
            json.attribute("group", int64_t(fate.group));
          member("reason", fate.reason);
        });
    });
  });
  stream << "\n";
  return text;
}
