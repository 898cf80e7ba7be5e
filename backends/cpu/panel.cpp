// SPDX-License-Identifier: MIT
#include "backends/cpu/panel_body.h"

using namespace mlir;

namespace kvasir::cpu {

Value PanelBody::factors(Value block, ElementType element, int64_t atBytes, int64_t vector) const {
  int64_t bytes = elementBits(element) / 8;
  Value address = code.at(block, atBytes + vector * isa.lanes * bytes);
  if (element == ElementType::f32)
    return code.load(floats(), address);
  if (element == ElementType::f16)
    return code.extF(code.load(code.vec(isa.lanes, code.f16), address, 2), code.f32);
  Value halves = code.load(code.vec(isa.lanes, code.i16), address, 2);
  Value bits = code.builder().create<arith::ExtUIOp>(words(), halves);
  return code.bitcast(code.shl(bits, 16), floats());
}

void PanelBody::prefetchStream(Value block, int64_t distance) const {
  if (isa.lanes == 16)
    prefetchAhead(block, distance);
}

void PanelBody::prefetchAhead(Value block, int64_t distance) const {
  for (int64_t line = 0; line < weight.blockBytes(); line += 64)
    code.prefetch(code.at(block, distance * weight.blockBytes() + line));
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
    PanelBody panel{body,          isa,           weight,         format.isPaired(isa),
                    args[kBlocks], args[kGroups], args[kColumns], args[kMultipliers],
                    args[kZeros],  args[kSums],   args[kRows],    args[kCount],
                    args[kResult], args[kUnpacked]};
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
  bool isOfWords = format.isInt() && multipliesWords(isa, weight.codes);
  int64_t zero = weight.zero + (weight.codes == ElementType::i8 && !isOfWords ? 128 : 0);
  bool hasZeros = format.isInt() && zero != 0;
  Value columns = isOfWords ? array(format.wordsAt(), 2 * kBlockColumns) : array(0, format.groupBytes());
  int64_t multipliersAt = scalesWords(isa, weight.codes) ? format.multiplierPairsAt() : format.multipliersAt();
  Value operands[] = {call.weight,
                      call.groups,
                      columns,
                      format.isInt() ? array(multipliersAt, 4) : columns,
                      hasZeros ? array(format.zerosAt(zero), 4) : columns,
                      weight.min ? array(format.sumsAt(), 4) : columns,
                      call.rows,
                      call.count,
                      call.result,
                      call.unpacked};
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
