// SPDX-License-Identifier: MIT
#include "compiler/passes/call_frame.h"
#include "compiler/passes/extents.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/row_extent.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace kvasir;

std::string kvasir::extentsOf(ShapedType type, DictionaryAttr attributes, char otherwise) {
  auto given = attributes ? attributes.getAs<StringAttr>(kExtentsAttr) : StringAttr();
  StringRef left = given ? given.getValue() : StringRef();
  std::string letters;
  for (int64_t extent : type.getShape()) {
    letters.push_back(!ShapedType::isDynamic(extent) ? 0 : left.empty() ? otherwise : left.front());
    if (ShapedType::isDynamic(extent))
      left = left.drop_front(!left.empty());
  }
  return letters;
}

bool kvasir::isOwnExtent(char letter) { return letter >= 'a' && letter <= 'z'; }

Value kvasir::emitExtent(OpBuilder &builder, Location loc, Value call, char letter) {
  CallFrame frame(builder, loc, call);
  if (isOwnExtent(letter))
    return frame.ownExtent(letter - 'a');
  switch (letter) {
  case 'W':
    return frame.wantedCount();
  case 'B':
    return frame.sequences();
  case 'S': {
    Value first = builder.create<arith::ConstantIndexOp>(loc, 0);
    return builder.create<arith::AddIOp>(loc, frame.start(first), frame.count(first));
  }
  default:
    return frame.tokens();
  }
}

namespace {
/// Writes on each input and output of an entry which of the call's numbers its dynamic extents are.
///
///     func @prefill(%mask: tensor<1x1x?x?xf32>, …) -> tensor<?x96xf32>
///       %m = kv.bind %mask dim 3 = length %batch[0]
///  => func @prefill(%mask: tensor<1x1x?x?xf32> {kv.extents = "TS"}, …) -> (tensor<?x96xf32> {kv.extents = "T"})
///
/// An input's extents are T but where kv.bind says otherwise; an output's first is what rowCountOf finds, others are T.
/// Letters that are there stay. Refuses letters that are no letters, or not one for each dynamic extent; a to z that
/// the function's kv.own_extents do not have; S without {kv.sequences = 1}; a bound extent that is the start.
struct NameExtents : PassWrapper<NameExtents, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(NameExtents)
  StringRef getArgument() const override { return "name-extents"; }
  StringRef getDescription() const override { return "write down which numbers of the call extents are"; }
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (Value batch = kv::batchOf(function.getArguments()); batch && failed(name(function, batch)))
        return signalPassFailure();
  }

private:
  static LogicalResult name(func::FuncOp function, Value batch) {
    Builder builder(function.getContext());
    bool isOne = kv::knownOf(batch, "kv.sequences") == 1;
    for (BlockArgument argument : function.getArguments()) {
      auto type = dyn_cast<RankedTensorType>(argument.getType());
      if (!type || !type.getNumDynamicDims())
        continue;
      unsigned number = argument.getArgNumber();
      if (!function.getArgAttr(number, kExtentsAttr)) {
        FailureOr<std::string> letters = lettersOfInput(argument, type);
        if (failed(letters))
          return failure();
        function.setArgAttr(number, kExtentsAttr, builder.getStringAttr(*letters));
      }
      if (failed(check(function, type, function.getArgAttrOfType<StringAttr>(number, kExtentsAttr), isOne)))
        return failure();
    }
    Operation *end = function.front().getTerminator();
    for (auto [i, value] : llvm::enumerate(end->getOperands())) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type || !type.getNumDynamicDims())
        continue;
      if (!function.getResultAttr(i, kExtentsAttr)) {
        std::string letters(type.getNumDynamicDims(), 'T');
        if (type.isDynamicDim(0))
          letters[0] = char(rowCountOf(value));
        function.setResultAttr(i, kExtentsAttr, builder.getStringAttr(letters));
      }
      if (failed(check(function, type, function.getResultAttrOfType<StringAttr>(i, kExtentsAttr), isOne)))
        return failure();
    }
    return success();
  }

  static FailureOr<std::string> lettersOfInput(Value input, RankedTensorType type) {
    std::string letters(type.getRank(), 'T');
    SmallVector<Value> bound{input};
    while (!bound.empty())
      for (Operation *user : bound.pop_back_val().getUsers()) {
        auto bind = dyn_cast<kv::BindOp>(user);
        if (!bind)
          continue;
        bound.push_back(bind.getResult());
        if (bind.getDim() && bind.getField() == kv::Field::start)
          return bind.emitOpError("binds an extent to the start, which may be 0; no input can have that");
        if (bind.getDim() && bind.getField() == kv::Field::length)
          letters[*bind.getDim()] = 'S';
      }
    std::string dynamic;
    for (auto [letter, extent] : llvm::zip_equal(letters, type.getShape()))
      if (ShapedType::isDynamic(extent))
        dynamic.push_back(letter);
    return dynamic;
  }

  static LogicalResult check(func::FuncOp function, RankedTensorType type, StringAttr letters, bool isOne) {
    auto own = function->getAttrOfType<DictionaryAttr>(kOwnExtentsAttr);
    auto isKnown = [&](char letter) {
      return kExtentLetters.contains(letter) || (isOwnExtent(letter) && own && own.contains(StringRef(&letter, 1)));
    };
    if (!letters || int64_t(letters.size()) != type.getNumDynamicDims() || !llvm::all_of(letters.getValue(), isKnown))
      return function.emitOpError(kExtentsAttr)
             << " is " << letters << ", expected one of " << kExtentLetters << ", or of the function's "
             << kOwnExtentsAttr << ", for each dynamic extent of " << type;
    if (letters.getValue().contains('S') && !isOne)
      return function.emitOpError("has an extent of the rows of one sequence; its batch must state {kv.sequences = 1}");
    return success();
  }
};
} // namespace

std::unique_ptr<Pass> kvasir::makeNameExtents() { return std::make_unique<NameExtents>(); }
