// SPDX-License-Identifier: MIT
#include "compiler/dialects/kv/dialect.h"

using namespace mlir;
using namespace kvasir::kv;

void LoopOp::build(OpBuilder &builder, OperationState &state, int64_t from, int64_t to, ValueRange carried) {
  state.addAttribute("from", builder.getI64IntegerAttr(from));
  state.addAttribute("to", builder.getI64IntegerAttr(to));
  state.addOperands(carried);
  state.addTypes(carried.getTypes());
  Block &block = state.addRegion()->emplaceBlock();
  block.addArgument(builder.getIndexType(), state.location);
  block.addArguments(carried.getTypes(), SmallVector<Location>(carried.size(), state.location));
}

/// kv.loop %layer = 0 to 28 carry(%h = %x, %ki = %k) : types { ... }
ParseResult LoopOp::parse(OpAsmParser &parser, OperationState &state) {
  OpAsmParser::Argument layer;
  SmallVector<OpAsmParser::Argument> carried;
  SmallVector<OpAsmParser::UnresolvedOperand> inits;
  int64_t from, to;
  if (parser.parseArgument(layer) || parser.parseEqual() || parser.parseInteger(from) || parser.parseKeyword("to") ||
      parser.parseInteger(to))
    return failure();
  Builder &builder = parser.getBuilder();
  state.addAttribute("from", builder.getI64IntegerAttr(from));
  state.addAttribute("to", builder.getI64IntegerAttr(to));
  layer.type = builder.getIndexType();
  if (succeeded(parser.parseOptionalKeyword("carry")) &&
      (parser.parseAssignmentList(carried, inits) || parser.parseColonTypeList(state.types)))
    return failure();
  if (carried.size() != state.types.size())
    return parser.emitError(parser.getCurrentLocation(), "carries ")
           << carried.size() << " values of " << state.types.size() << " types";
  for (auto [argument, type] : llvm::zip(carried, state.types))
    argument.type = type;
  if (parser.resolveOperands(inits, state.types, parser.getCurrentLocation(), state.operands))
    return failure();
  carried.insert(carried.begin(), layer);
  Region *body = state.addRegion();
  if (parser.parseRegion(*body, carried) || parser.parseOptionalAttrDict(state.attributes))
    return failure();
  LoopOp::ensureTerminator(*body, builder, state.location);
  return success();
}

void LoopOp::print(OpAsmPrinter &printer) {
  printer << ' ' << getLayer() << " = " << getFrom() << " to " << getTo();
  if (!getCarried().empty()) {
    printer << " carry(";
    llvm::interleaveComma(llvm::zip(getRegionIterArgs(), getCarried()), printer,
                          [&](auto pair) { printer << std::get<0>(pair) << " = " << std::get<1>(pair); });
    printer << ") : " << getCarried().getTypes();
  }
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/!getCarried().empty());
  printer.printOptionalAttrDict((*this)->getAttrs(), {"from", "to"});
}

LogicalResult LoopOp::verify() {
  if (int64_t(getFrom()) < 0 || int64_t(getFrom()) >= int64_t(getTo())) // C1
    return emitOpError("C1: runs no layer from ") << int64_t(getFrom()) << " to " << int64_t(getTo());
  Block &block = getBody().front();
  bool agree = block.getNumArguments() == getCarried().size() + 1 && block.getArgument(0).getType().isIndex();
  agree = agree && TypeRange(getRegionIterArgs()) == getCarried().getTypes() &&
          getResultTypes() == getCarried().getTypes() &&
          block.getTerminator()->getOperandTypes() == getCarried().getTypes();
  if (!agree) // C2
    return emitOpError("C2: inits, arguments, yielded values and results differ in type");
  return success();
}

OperandRange LoopOp::getEntrySuccessorOperands(RegionBranchPoint) { return getCarried(); }

void LoopOp::getSuccessorRegions(RegionBranchPoint point, SmallVectorImpl<RegionSuccessor> &regions) {
  regions.emplace_back(&getBody(), getRegionIterArgs());
  if (!point.isParent()) // C1: the body runs at least once
    regions.emplace_back(getResults());
}

SmallVector<Region *> LoopOp::getLoopRegions() { return {&getBody()}; }

MutableArrayRef<OpOperand> LoopOp::getInitsMutable() { return getOperation()->getOpOperands(); }

std::optional<ResultRange> LoopOp::getLoopResults() { return getResults(); }

Block::BlockArgListType LoopOp::getRegionIterArgs() { return getBody().getArguments().drop_front(1); }

std::optional<SmallVector<Value>> LoopOp::getLoopInductionVars() { return SmallVector<Value>{getLayer()}; }

std::optional<SmallVector<OpFoldResult>> LoopOp::getLoopLowerBounds() {
  return SmallVector<OpFoldResult>{Builder(getContext()).getIndexAttr(getFrom())};
}

std::optional<SmallVector<OpFoldResult>> LoopOp::getLoopUpperBounds() {
  return SmallVector<OpFoldResult>{Builder(getContext()).getIndexAttr(getTo())};
}

std::optional<SmallVector<OpFoldResult>> LoopOp::getLoopSteps() {
  return SmallVector<OpFoldResult>{Builder(getContext()).getIndexAttr(1)};
}

std::optional<MutableArrayRef<OpOperand>> LoopOp::getYieldedValuesMutable() {
  return getBody().front().getTerminator()->getOpOperands();
}

void LoopOp::getAsmResultNames(OpAsmSetValueNameFn name) { nameAfterSlots(getResults(), name); }

void LoopOp::getAsmBlockArgumentNames(Region &region, OpAsmSetValueNameFn name) {
  name(region.getArgument(0), "layer");
  for (Value argument : region.getArguments().drop_front())
    if (SymbolRefAttr symbol = symbolOf(argument.getType()))
      name(argument, symbol.getLeafReference());
}

/// kv.group {kernel = "cpu.qkv"} -> types { ... }
ParseResult GroupOp::parse(OpAsmParser &parser, OperationState &state) {
  if (parser.parseOptionalAttrDict(state.attributes) ||
      (succeeded(parser.parseOptionalArrow()) && parser.parseTypeList(state.types)))
    return failure();
  Region *body = state.addRegion();
  if (parser.parseRegion(*body))
    return failure();
  GroupOp::ensureTerminator(*body, parser.getBuilder(), state.location);
  return success();
}

void GroupOp::print(OpAsmPrinter &printer) {
  printer.printOptionalAttrDict((*this)->getAttrs());
  if (getNumResults())
    printer << " -> " << getResultTypes();
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/getNumResults() != 0);
}

LogicalResult GroupOp::verify() {
  if (getKernel().empty()) // C1
    return emitOpError("C1: needs the name of a kernel");
  if (getBody().front().getTerminator()->getOperandTypes() != getResultTypes()) // C2
    return emitOpError("C2: yields ") << getBody().front().getTerminator()->getOperandTypes() << ", its results are "
                                      << getResultTypes();
  return success();
}

void GroupOp::getSuccessorRegions(RegionBranchPoint point, SmallVectorImpl<RegionSuccessor> &regions) {
  if (point.isParent())
    regions.emplace_back(&getBody());
  else
    regions.emplace_back(getResults());
}

void GroupOp::getAsmResultNames(OpAsmSetValueNameFn name) { nameAfterSlots(getResults(), name); }
