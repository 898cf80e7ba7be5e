// SPDX-License-Identifier: MIT
#include "compiler/driver/describe_steps.h"

#include "compiler/passes/labels.h"

#include "mlir/IR/OperationSupport.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace kvasir;

namespace {
std::string textOf(Label label, StringRef key) {
  auto text = label.getAs<StringAttr>(key);
  return text ? text.str() : "";
}

uint64_t numberOf(Label label, StringRef key) {
  auto number = label.getAs<IntegerAttr>(key);
  return number ? number.getInt() : 0;
}

StepOp opOf(Label label) {
  StepOp op;
  op.op = textOf(label, "op");
  op.place = textOf(label, "at");
  op.rows = llvm::StringSwitch<StepRows>(textOf(label, "rows"))
                .Case("wanted", StepRows::wanted)
                .Case("sequences", StepRows::sequences)
                .Default(StepRows::tokens);
  if (auto weights = label.getAs<ArrayAttr>("weights"))
    for (auto source : weights.getAsRange<StringAttr>())
      op.weights.push_back(source.str());
  op.keys = textOf(label, "keys");
  op.values = textOf(label, "values");
  op.heads = numberOf(label, "heads");
  op.windowTokens = numberOf(label, "window");
  op.chosen = numberOf(label, "chosen");
  op.experts = numberOf(label, "experts");
  return op;
}

/// Numbers labels as they come: equal ones are one op.
class OpNumbers {
public:
  explicit OpNumbers(std::vector<StepOp> &ops) : ops(ops) {}

  uint32_t of(Label label) {
    NamedAttrList alike(label);
    alike.erase("number");
    auto [found, isNew] = numbers.try_emplace(alike.getDictionary(label.getContext()), ops.size());
    if (isNew)
      ops.push_back(opOf(label));
    return found->second;
  }

private:
  std::vector<StepOp> &ops;
  llvm::DenseMap<Attribute, uint32_t> numbers;
};
} // namespace

StepTable kvasir::describeSteps(ArrayRef<std::pair<std::string, ArrayAttr>> variants) {
  StepTable table;
  OpNumbers numbers(table.ops);
  for (const auto &[name, found] : variants) {
    VariantSteps &variant = table.variants.emplace_back();
    variant.variant = name;
    if (!found)
      continue;
    for (auto step : found.getAsRange<DictionaryAttr>()) {
      CodeStep &made = variant.steps.emplace_back();
      made.kernel = step.getAs<StringAttr>("kernel").str();
      for (auto label : step.getAs<ArrayAttr>("ops").getAsRange<DictionaryAttr>())
        made.ops.push_back(numbers.of(label));
    }
  }
  return table;
}
