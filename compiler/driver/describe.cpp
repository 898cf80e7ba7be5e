// SPDX-License-Identifier: MIT
#include "compiler/driver/describe.h"

#include "compiler/driver/describe_forms.h"
#include "compiler/passes/element_type.h"
#include "compiler/passes/extents.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/state_ops.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/raw_ostream.h"

#include <set>

using namespace mlir;
using namespace kvasir;

namespace {
std::string textOf(DictionaryAttr dictionary, StringRef key) {
  auto text = dictionary ? dictionary.getAs<StringAttr>(key) : StringAttr();
  return text ? text.str() : "";
}

uint64_t numberOf(DictionaryAttr dictionary, StringRef key) {
  auto number = dictionary ? dictionary.getAs<IntegerAttr>(key) : IntegerAttr();
  return number ? number.getInt() : 0;
}

ModelDescription describeModel(ModuleOp module) {
  auto model = module->getAttrOfType<DictionaryAttr>("lm.model");
  ModelDescription description;
  description.name = textOf(model, "name");
  description.architecture = textOf(model, "architecture");
  description.contextTokens = numberOf(model, "context");
  description.vocabularySize = numberOf(model, "vocabulary");
  if (auto extents = model ? model.getAs<DictionaryAttr>("extents") : DictionaryAttr())
    for (NamedAttribute extent : extents)
      description.extents[extent.getName().str()] = cast<IntegerAttr>(extent.getValue()).getInt();
  return description;
}

/// What caches and registers both say.
template <typename SlotOp> SlotDescription describeSlot(SlotOp op) {
  SlotDescription slot;
  slot.name = op.getSymName().str();
  slot.layers = op.getLayers();
  if (auto layout = op->template getAttrOfType<lm::LayoutAttr>(kLayoutAttr))
    slot.layout = layout.getLayout();
  return slot;
}

SlotDescription describeCache(kv::CacheOp cache) {
  SlotDescription slot = describeSlot(cache);
  slot.heads = cache.getHeads();
  slot.width = cache.getWidth();
  slot.windowTokens = cache.windowOfAll().value_or(0); // a block holds all layers
  if (auto lanes = cache.getRotated())
    slot.rotated = *lanes == kv::LaneOrder::adjacent ? RowRotation::adjacent : RowRotation::halves;
  if (auto keys = cache.getValues())
    slot.values = keys->str();
  return slot;
}

SlotDescription describeRegister(kv::RegisterOp reg) {
  SlotDescription slot = describeSlot(reg);
  slot.kind = SlotKind::reg;
  for (int64_t extent : cast<RankedTensorType>(reg.getContent()).getShape())
    slot.shape.push_back(extent);
  return slot;
}

TensorRole roleOf(StringRef name) {
  return llvm::StringSwitch<TensorRole>(name)
      .Case("ids", TensorRole::ids)
      .Case("embeddings", TensorRole::embeddings)
      .Case("positions", TensorRole::positions)
      .Case("mask", TensorRole::mask)
      .Case("logits", TensorRole::logits)
      .Case("hidden", TensorRole::hidden)
      .Default(TensorRole::other);
}

/// Extents that the call gives are by the letters of kExtentsAttr.
llvm::Expected<TensorDescription> describeTensor(RankedTensorType type, DictionaryAttr attributes,
                                                 const std::string &otherwise) {
  TensorDescription tensor;
  tensor.name = textOf(attributes, "kv.name");
  if (tensor.name.empty())
    tensor.name = otherwise;
  std::optional<ElementType> element = elementOf(type.getElementType());
  if (!element)
    return llvm::createStringError("tensor '%s' has elements of a type that no plugin has", tensor.name.c_str());
  tensor.element = *element;
  std::string letters = extentsOf(type, attributes, 'T');
  for (auto [letter, extent] : llvm::zip_equal(letters, type.getShape()))
    tensor.shape.push_back(letter ? Dimension{letter, 0} : Dimension{0, uint64_t(extent)});
  tensor.role = roleOf(textOf(attributes, "kv.role"));
  return tensor;
}

llvm::Error describeTensors(TypeRange types, ArrayAttr attributes, const char *prefix,
                            std::vector<TensorDescription> &tensors) {
  for (auto [i, type] : llvm::enumerate(types)) {
    auto tensorType = dyn_cast<RankedTensorType>(type);
    if (!tensorType)
      continue;
    auto dictionary = attributes ? cast<DictionaryAttr>(attributes[i]) : DictionaryAttr();
    llvm::Expected<TensorDescription> tensor =
        describeTensor(tensorType, dictionary, prefix + std::to_string(tensors.size()));
    if (!tensor)
      return tensor.takeError();
    tensors.push_back(std::move(*tensor));
  }
  return llvm::Error::success();
}

/// The function's own extents, from their attribute (kOwnExtentsAttr).
std::vector<ExtentDescription> describeExtents(func::FuncOp function) {
  std::vector<ExtentDescription> extents;
  auto own = function->getAttrOfType<DictionaryAttr>(kOwnExtentsAttr);
  for (NamedAttribute entry : own ? own.getValue() : ArrayRef<NamedAttribute>()) {
    auto facts = dyn_cast<DictionaryAttr>(entry.getValue());
    ExtentDescription extent;
    extent.symbol = entry.getName().strref().front();
    if (auto terms = facts ? facts.getAs<DictionaryAttr>("terms") : DictionaryAttr()) {
      extent.constant = int64_t(numberOf(facts, "constant"));
      for (NamedAttribute term : terms)
        extent.terms[term.getName().strref().front()] = cast<IntegerAttr>(term.getValue()).getInt();
    } else if (auto values = facts ? facts.getAs<DenseI64ArrayAttr>("values") : DenseI64ArrayAttr()) {
      extent.values.assign(values.asArrayRef().begin(), values.asArrayRef().end());
      extent.from = *std::min_element(extent.values.begin(), extent.values.end());
      extent.to = *std::max_element(extent.values.begin(), extent.values.end());
    } else {
      extent.from = numberOf(facts, "from");
      extent.to = numberOf(facts, "to");
    }
    extents.push_back(std::move(extent));
  }
  return extents;
}

/// As many as its batch states, if it does.
uint64_t maxTokensOf(func::FuncOp function) {
  Value batch = kv::batchOf(function.getArguments());
  if (kv::isRaisedForm(function))
    return maxTokensOfRaised(function);
  return batch ? kv::knownOf(batch, "kv.tokens").value_or(kMaxTokens) : kMaxTokens;
}

llvm::Error describeFunctions(ModuleOp module, Description &description) {
  for (func::FuncOp function : pluginFunctions(module)) {
    if (function->hasAttr(kv::kSpecialisesAttr))
      continue;
    FunctionDescription described;
    described.name = function.getName().str();
    described.maxTokens = maxTokensOf(function);
    described.extents = describeExtents(function);
    llvm::Expected<std::optional<RaisedForm>> raised = describeRaised(function);
    if (!raised)
      return raised.takeError();
    described.raised = std::move(*raised);
    if (llvm::Error error =
            describeTensors(function.getArgumentTypes(), function.getAllArgAttrs(), "input", described.inputs))
      return error;
    if (llvm::Error error =
            describeTensors(function.getResultTypes(), function.getAllResultAttrs(), "output", described.outputs))
      return error;
    function.walk([&](kv::WaiveOp waive) {
      description.waivers.push_back(
          {described.name, kv::symbolOf(waive.getSlot().getType()).getLeafReference().str(), waive.getReason().str()});
    });
    description.functions.push_back(std::move(described));
  }
  return llvm::Error::success();
}

} // namespace

SmallVector<func::FuncOp> kvasir::pluginFunctions(ModuleOp module) {
  SmallVector<func::FuncOp> functions;
  for (auto schema : module.getOps<kv::SchemaOp>())
    for (Attribute entry : schema.getEntries())
      if (auto function = module.lookupSymbol<func::FuncOp>(cast<FlatSymbolRefAttr>(entry).getAttr()))
        functions.push_back(function);
  for (auto function : module.getOps<func::FuncOp>())
    if (function->hasAttr(kProbeAttr))
      functions.push_back(function);
  return functions;
}

llvm::Expected<Description> kvasir::describeProgram(ModuleOp module, const Backend &backend,
                                                    const std::vector<Variant> &variants, StringRef rowType) {
  const std::string suffix = rowType.empty() ? "" : "-kv-" + rowType.str();
  Description description;
  description.model = describeModel(module);
  description.backend = backend.name().str();
  description.verified = true;
  Numerics numerics = backend.numerics();
  description.numerics = {numerics.id + suffix, numerics.invariant, numerics.activations};
  for (const Variant &variant : variants)
    description.variants.push_back({variant.name, variant.features});
  for (const Service &service : backend.services(module))
    description.services.push_back(
        {service.name, service.version, service.needs, service.fallback.id + suffix, service.fallback.invariant});
  for (auto schema : module.getOps<kv::SchemaOp>()) {
    for (Operation &slot : schema.getBody().front()) {
      auto cache = dyn_cast<kv::CacheOp>(slot);
      description.slots.push_back(cache ? describeCache(cache) : describeRegister(cast<kv::RegisterOp>(slot)));
      llvm::Expected<std::optional<RowsOrigin>> from = cache ? describeOrigin(cache) : std::optional<RowsOrigin>();
      if (!from)
        return from.takeError();
      description.slots.back().from = std::move(*from);
    }
  }
  if (llvm::Error error = describeFunctions(module, description))
    return error;
  return description;
}

std::vector<int64_t> kvasir::writtenSlots(func::FuncOp entry) {
  const Slots slots(entry->getParentOfType<ModuleOp>());
  std::set<int64_t> written;
  entry.walk([&](Operation *op) {
    if (isa<kv::AppendOp, kv::WriteOp, kv::SetOp>(op))
      written.insert(slots.number(kv::symbolOf(op->getResult(0).getType()).getLeafReference()));
  });
  return {written.begin(), written.end()};
}
