// SPDX-License-Identifier: MIT
#include "backends/cpu/panel_body.h"

using namespace mlir;

namespace kvasir::cpu {

namespace {
constexpr int64_t kBlocksOfUnits = kSuperblockColumns / kBlockColumns;
}

Block PanelBody::blockAt(Value panel, Value group) const {
  Value address = code.at(panel, code.mul(group, weight.blockBytes()));
  if (!weight.hasUnits())
    return {address, {}};
  Value superblock = code.div(group, kBlocksOfUnits);
  int64_t superblockBytes = kBlocksOfUnits * weight.blockBytes() + weight.unitBytes();
  address = code.at(address, code.mul(code.add(superblock, 1), weight.unitBytes()));
  return {address, code.at(panel, code.mul(superblock, superblockBytes))};
}

Value PanelBody::registerAt(const Block &block, Value line, int64_t bytes, int64_t vector) const {
  Value address = code.at(line, vector * isa.lanes * bytes);
  return block.vector ? code.at(address, code.mul(block.vector, isa.lanes * bytes)) : address;
}

Value PanelBody::numbers(const Block &block, Value line, ElementType element, int64_t vector) const {
  Value address = registerAt(block, line, elementBits(element) / 8, vector);
  if (element == ElementType::f32)
    return code.load(floats(), address);
  if (element == ElementType::f16)
    return code.extF(code.load(code.vec(isa.lanes, code.f16), address, 2), code.f32);
  if (element == ElementType::i8)
    return code.toFloat(
        code.builder().create<arith::ExtSIOp>(words(), code.load(code.vec(isa.lanes, code.i8), address, 1)));
  Value halves = code.load(code.vec(isa.lanes, code.i16), address, 2);
  Value bits = code.builder().create<arith::ExtUIOp>(words(), halves);
  return code.bitcast(code.shl(bits, 16), floats());
}

Value PanelBody::scaleOf(const Block &block, int64_t subgroup, int64_t vector) const {
  Value scale = numbers(block, code.at(block.address, weight.scaleAt(subgroup)), weight.scale, vector);
  return block.units ? code.mulF(scale, numbers(block, block.units, ElementType::f16, vector)) : scale;
}

Value PanelBody::minOf(const Block &block, int64_t subgroup, int64_t vector) const {
  if (!weight.min)
    return {};
  Value min = numbers(block, code.at(block.address, weight.minAt(subgroup)), *weight.min, vector);
  if (!block.units)
    return min;
  return code.mulF(min, numbers(block, code.at(block.units, kPanelRows * 2), ElementType::f16, vector));
}

std::pair<Value, int64_t> PanelBody::wordsOf(const Block &block, int64_t quad, int64_t vector) const {
  if (weight.lowBits() == 2)
    return planeOf(block, weight.codesAt(), 2, quad, vector);
  int64_t j = weight.isPacked() ? quad % 4 : quad;
  Value line = code.at(block.address, weight.codesAt() + j * kPanelRows * 4);
  Value word = code.load(words(), registerAt(block, line, 4, vector));
  return {word, weight.isPacked() && quad >= 4 ? 4 : 0};
}

std::pair<Value, int64_t> PanelBody::planeOf(const Block &block, int64_t at, int64_t width, int64_t quad,
                                             int64_t vector) const {
  int64_t quads = 8 / width;
  Value line = code.at(block.address, at + quad / quads * kPanelRows * 4);
  return {code.load(words(), registerAt(block, line, 4, vector)), quad % quads * width};
}

/// The bits of a quad above its low ones, in their place.
Value PanelBody::highBitsOf(const Block &block, int64_t quad, int64_t vector) const {
  auto [word, first] = planeOf(block, weight.highAt(), weight.highBits(), quad, vector);
  int64_t up = weight.lowBits() - first;
  if (up != 0)
    word = up > 0 ? code.shl(word, up) : code.shr(word, -up);
  return code.andI(word, splatBytes(((1 << weight.highBits()) - 1) << weight.lowBits()));
}

Value PanelBody::splatBytes(int64_t byte) const { return code.splat(isa.lanes, code.i32, byte * 0x01010101); }

Value PanelBody::packedQuad(const Block &block, int64_t quad, int64_t vector) const {
  auto [word, first] = wordsOf(block, quad, vector);
  Value low = code.andI(first ? code.shr(word, first) : word, splatBytes((1 << weight.lowBits()) - 1));
  if (weight.table)
    return isa.lookUp(code, *weight.table, low);
  return weight.highBits() ? code.orI(low, highBitsOf(block, quad, vector)) : low;
}

Value PanelBody::codeOf(const Block &block, int64_t quad, int64_t bits, int64_t vector) const {
  auto [word, first] = wordsOf(block, quad, vector);
  if (weight.codes == ElementType::i8)
    word = code.sar(code.shl(word, 24 - bits), 24);
  else if (weight.highBits() || weight.table)
    word = code.andI(code.shr(packedQuad(block, quad, vector), bits), code.splat(isa.lanes, code.i32, 255));
  else
    word = code.andI(code.shr(word, first + bits),
                     code.splat(isa.lanes, code.i32, weight.isPacked() ? (1 << weight.lowBits()) - 1 : 255));
  return weight.zero ? code.subI(word, code.splat(isa.lanes, code.i32, weight.zero)) : word;
}

Value PanelBody::plainPairs(const Block &block, int64_t pair, int64_t vector) const {
  return code.load(words(), code.at(block.address, (pair * kPanelRows + vector * isa.lanes) * 4));
}

Value PanelBody::columnOf(const Block &block, int64_t column, int64_t vector) const {
  if (weight.isGrouped())
    return code.toFloat(codeOf(block, column / 4, 8 * (column % 4), vector));
  if (weight.codes != ElementType::bf16)
    return numbers(block, code.at(block.address, column * kPanelRows * elementBits(weight.codes) / 8), weight.codes,
                   vector);
  Value pairs = plainPairs(block, column / 2, vector);
  return column % 2 ? highBf16(code, pairs) : lowBf16(code, pairs);
}

void PanelBody::clearResults() const {
  code.loop(code.num(0), code.mul(count, vectors()), 1,
            [&](Value line) { code.store(code.zero(floats()), code.at(result, code.mul(line, isa.lanes * 4))); });
}

void PanelBody::fetchAhead(Value group, int64_t distance) const {
  Value ahead = code.add(group, distance), isHere = code.less(ahead, groups);
  Value number = code.select(isHere, ahead, code.sub(ahead, groups));
  code.prefetch(blockAt(code.select(isHere, blocks, next), number).address, weight.blockBytes());
}

namespace {
enum Argument {
  kBlocks,
  kGroups,
  kColumns,
  kMultipliers,
  kZeros,
  kSums,
  kRows,
  kCount,
  kResult,
  kUnpacked,
  kNext,
  kNumArguments
};

void emitCall(Code &code, ModuleOp module, const Isa &isa, const WeightFormat &weight, const ActivationFormat &format,
              const PanelCall &call, bool isOneRow) {
  std::string name = "cpu_panel_" + weight.name() +
                     (format.isInt()         ? "_int8_"
                      : format.isPaired(isa) ? "_bf16_"
                                             : "_f32_") +
                     (isOneRow ? "row_" : "rows_") + isa.name;
  SmallVector<Type> types(kNumArguments, code.ptr);
  types[kGroups] = types[kRows] = types[kCount] = code.i64;
  auto function = sharedFunction(module, name, types, [&](Code &body, ValueRange args) {
    PanelBody panel{body,           isa,
                    weight,         format.isPaired(isa),
                    args[kBlocks],  args[kGroups],
                    args[kColumns], args[kMultipliers],
                    args[kZeros],   args[kSums],
                    args[kRows],    args[kCount],
                    args[kResult],  args[kUnpacked],
                    args[kNext]};
    if (isOneRow)
      panel.rows = body.num(1);
    if (format.isInt())
      isOneRow ? emitIntPanelOfOneRow(panel) : emitIntPanelOfRows(panel);
    else
      isOneRow ? emitFloatPanelOfOneRow(panel) : emitFloatPanelOfRows(panel);
  });
  Value lines = code.mul(call.groups, call.rows);
  auto array = [&](int64_t arrayAt, int64_t bytes) {
    return code.at(call.activations, code.add(code.mul(lines, arrayAt), code.mul(call.firstRow, bytes)));
  };
  auto factors = [&](int64_t arrayAt, int64_t parts = 1) {
    return factorAddress(code, array(arrayAt, 0), call.groups, call.rows, call.firstRow, code.num(0), parts);
  };
  bool isOfWords = format.isInt() && multipliesWords(isa, weight);
  int64_t zero = dotZero(weight);
  bool hasZeros = format.isInt() && zero != 0;
  Value columns = isOfWords               ? array(format.wordsAt(), 2 * kBlockColumns)
                  : !format.isPaired(isa) ? array(0, format.groupBytes())
                  : weight.isGrouped()    ? array(kCodePairsAt, kPairsBytes)
                                          : array(kPlainPairsAt, kPairsBytes);
  int64_t multipliersAt = scalesWords(isa, weight) ? format.multiplierPairsAt() : format.multipliersAt();
  Value operands[] = {call.weight,
                      call.groups,
                      columns,
                      format.isInt() ? factors(multipliersAt) : columns,
                      hasZeros ? factors(format.zerosAt({zero, weight.subgroups()}), weight.subgroups()) : columns,
                      weight.min ? factors(format.sumsAt(weight.subgroups()), weight.subgroups()) : columns,
                      call.rows,
                      call.count,
                      call.result,
                      call.unpacked,
                      call.next};
  code.builder().create<func::CallOp>(function, operands);
}
} // namespace

void emitPanelOfOneRow(Code &code, ModuleOp module, const Isa &isa, const WeightFormat &weight,
                       const ActivationFormat &activations, const PanelCall &call) {
  emitCall(code, module, isa, weight, activations, call, /*isOneRow=*/true);
}

void emitPanelOfRows(Code &code, ModuleOp module, const Isa &isa, const WeightFormat &weight,
                     const ActivationFormat &activations, const PanelCall &call) {
  emitCall(code, module, isa, weight, activations, call, /*isOneRow=*/false);
}

} // namespace kvasir::cpu
