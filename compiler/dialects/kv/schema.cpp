// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/dialect.h"

using namespace mlir;
using namespace kvasir::kv;

namespace {
LogicalResult verifyLayerMap(SchemaOp schema) { // C2
  llvm::DenseMap<int64_t, CacheOp> owner;
  CacheOp with, without;
  for (auto cache : schema.getBody().getOps<CacheOp>()) {
    if (cache.getValues())
      continue;
    (cache.getServes() ? with : without) = cache;
    if (!cache.getServes())
      continue;
    for (auto layers : cache.getServes()->getAsRange<DenseI64ArrayAttr>())
      for (int64_t layer : layers.asArrayRef())
        if (auto [it, isNew] = owner.try_emplace(layer, cache); !isNew)
          return cache.emitOpError("C2: serves layer ")
                 << layer << " of the model, which @" << it->second.getSymName() << " serves";
  }
  if (with && without)
    return without.emitOpError("C2: does not say which layers it serves, @") << with.getSymName() << " does";
  return success();
}
} // namespace

LogicalResult SchemaOp::verifyRegions() {
  Block &block = getBody().front();
  if (block.empty()) // C1
    return emitOpError("C1: declares no state");
  for (Operation &op : block)
    if (!isa<CacheOp, RegisterOp>(op)) // C1
      return op.emitOpError("C1: stands in a kv.schema, which holds kv.cache and kv.register only");
  return verifyLayerMap(*this);
}

namespace {
LogicalResult verifyPair(CacheOp cache) { // C2
  if (!cache.getValuesAttr())
    return success();
  Declaration keys = lookup(cache, cache.getValuesAttr());
  if (!keys.cache || keys.cache == cache)
    return cache.emitOpError("C2: holds values for ")
           << cache.getValuesAttr() << ", which is not another cache of this schema";
  if (keys.cache.getValues())
    return cache.emitOpError("C2: holds values for ") << cache.getValuesAttr() << ", which holds values itself";
  if (keys.cache.getLayers() != cache.getLayers())
    return cache.emitOpError("C2: has ") << cache.getLayers() << " layers, its keys " << cache.getValuesAttr()
                                         << " have " << keys.cache.getLayers();
  return success();
}

LogicalResult verifyOrigin(CacheOp cache) { // C4
  if (!cache.getOriginAxes())
    return success();
  int64_t numRows = 0, numElements = 0;
  for (auto axis : cache.getOriginAxes()->getAsRange<StringAttr>()) {
    SmallVector<StringRef> digits;
    axis.getValue().split(digits, ' ');
    numRows += llvm::count(digits, "row"), numElements += llvm::count(digits, "element");
  }
  if (numRows == 1 && numElements == 1 && int64_t(*cache.getOriginRows()) >= 1)
    return success();
  return cache.emitOpError("C4: comes from a state whose axes do not name \"row\" and \"element\" once each");
}

bool isRising(ArrayRef<int64_t> numbers) {
  return llvm::is_sorted(numbers) && std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end();
}

LogicalResult verifySlides(CacheOp cache) { // C5
  std::optional<ArrayRef<int64_t>> slides = cache.getSlides();
  if (!slides)
    return success();
  auto isLayer = [&](int64_t layer) { return layer >= 0 && layer < int64_t(cache.getLayers()); };
  if (cache.getWindow() && isRising(*slides) && llvm::all_of(*slides, isLayer))
    return success();
  return cache.emitOpError("C5: slides lists layers 0 to ")
         << int64_t(cache.getLayers()) - 1 << ", rising, of a cache with a window";
}

LogicalResult verifyServes(CacheOp cache) { // C6
  if (!cache.getServes())
    return success();
  if (cache.getValues())
    return cache.emitOpError("C6: holds values; which layers it serves is said by its keys ") << cache.getValuesAttr();
  auto isList = [](Attribute list) {
    ArrayRef<int64_t> layers = cast<DenseI64ArrayAttr>(list).asArrayRef();
    return !layers.empty() && layers.front() >= 0 && isRising(layers);
  };
  if (cache.getServes()->size() == cache.getLayers() && llvm::all_of(*cache.getServes(), isList))
    return success();
  return cache.emitOpError("C6: serves is ") << cache.getLayers() << " lists of layers of the model, each rising";
}

LogicalResult verifyBy(CacheOp cache) { // C7
  if (!cache.getBy())
    return success();
  if (cache.getBy()->size() != 1 && cache.getBy()->size() != cache.getLayers())
    return cache.emitOpError("C7: is made by one weight or by ")
           << cache.getLayers() << ", not by " << cache.getBy()->size();
  auto module = cache->getParentOfType<ModuleOp>();
  for (auto weight : cache.getBy()->getAsRange<FlatSymbolRefAttr>())
    if (!module || !module.lookupSymbol(weight.getAttr()))
      return cache.emitOpError("C7: is made by ") << weight << ", which nothing declares";
  return success();
}
} // namespace

namespace kvasir::kv {
/// [0, 2], [1, 3]
ParseResult parseLayerLists(OpAsmParser &parser, ArrayAttr &lists) {
  SmallVector<Attribute> parsed;
  auto parseList = [&] {
    Attribute list = DenseI64ArrayAttr::parse(parser, Type());
    parsed.push_back(list);
    return success(bool(list));
  };
  if (parser.parseCommaSeparatedList(parseList))
    return failure();
  lists = parser.getBuilder().getArrayAttr(parsed);
  return success();
}

void printLayerLists(OpAsmPrinter &printer, Operation *, ArrayAttr lists) {
  llvm::interleaveComma(lists, printer, [&](Attribute list) { cast<DenseI64ArrayAttr>(list).print(printer); });
}
} // namespace kvasir::kv

LogicalResult CacheOp::verify() {
  for (auto [name, value] : {std::pair("layers", getLayers()),
                             {"heads", getHeads()},
                             {"row", getWidth()},
                             {"window", getWindow().value_or(1)}})
    if (int64_t(value) < 1) // C1
      return emitOpError("C1: ") << name << " is at least 1, not " << int64_t(value);
  if (failed(verifyPair(*this)))
    return failure();
  if (getRounds() && !isa<FloatType>(*getRounds())) // C3
    return emitOpError("C3: rounds to a float type, not ") << *getRounds();
  for (auto verify : {verifyOrigin, verifySlides, verifyServes, verifyBy})
    if (failed(verify(*this)))
      return failure();
  return success();
}

void CacheOp::build(OpBuilder &builder, OperationState &state, StringRef name, int64_t layers, int64_t heads,
                    int64_t width) {
  build(builder, state, name, layers, heads, width, IntegerAttr(), DenseI64ArrayAttr(), ArrayAttr(), LaneOrderAttr(),
        FlatSymbolRefAttr(), ArrayAttr(), TypeAttr(), StringAttr(), ArrayAttr(), IntegerAttr());
}

std::optional<int64_t> CacheOp::windowOf(int64_t layer) {
  bool slides = getWindow() && (!getSlides() || llvm::is_contained(*getSlides(), layer));
  return slides ? std::optional<int64_t>(*getWindow()) : std::nullopt;
}

std::optional<int64_t> CacheOp::windowOfAll() {
  bool slide = getWindow() && (!getSlides() || getSlides()->size() == getLayers());
  return slide ? std::optional<int64_t>(*getWindow()) : std::nullopt;
}

LogicalResult RegisterOp::verify() {
  if (int64_t(getLayers()) < 1) // C1
    return emitOpError("C1: layers is at least 1, not ") << int64_t(getLayers());
  if (!cast<RankedTensorType>(getContent()).hasStaticShape()) // C1
    return emitOpError("C1: the content's shape is static, not ") << getContent();
  return success();
}
