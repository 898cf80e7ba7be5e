// SPDX-License-Identifier: MIT
// Core ML programs by hand, imported: what comes out, and what is refused.
#include "compiler/dialects/kv/passes.h"
#include "compiler/models/mil/import.h"
#include "compiler/passes/registry.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"

#include <deque>
#include <doctest/doctest.h>

using namespace kvasir;
using coreml::Element;
using coreml::TensorType;
using coreml::TypeKind;

namespace {

/// A function under construction; constants live as long as it.
struct FunctionMaker {
  coreml::Function function;
  std::deque<std::vector<uint8_t>> bytes;
  uint32_t numOperations = 0;

  explicit FunctionMaker(std::string name) { function.name = std::move(name); }

  coreml::ValueId value(const std::string &name, TensorType type, TypeKind kind = TypeKind::tensor) {
    function.values.push_back({name, {kind, std::move(type)}, {}});
    return coreml::ValueId(function.values.size() - 1);
  }

  coreml::ValueId input(const std::string &name, TensorType type, TypeKind kind = TypeKind::tensor) {
    function.inputs.push_back(value(name, std::move(type), kind));
    return function.inputs.back();
  }

  coreml::Operand integers(const std::vector<int32_t> &numbers, bool isScalar = false) {
    const auto *from = reinterpret_cast<const uint8_t *>(numbers.data());
    bytes.emplace_back(from, from + 4 * numbers.size());
    TensorType type{Element::i32, {}};
    if (!isScalar)
      type.dims.push_back(int64_t(numbers.size()));
    return {{}, coreml::Constant{type, bytes.back(), {}}};
  }

  /// An op with one result, or with none if `result` has no name.
  coreml::ValueId op(const std::string &type, std::map<std::string, coreml::Operand> inputs, const std::string &result,
                     TensorType resultType) {
    coreml::Operation operation;
    operation.type = type;
    operation.index = numOperations++;
    for (auto &[name, operand] : inputs)
      operation.inputs[name].push_back(operand);
    if (!result.empty())
      operation.outputs.push_back(value(result, std::move(resultType)));
    function.body.operations.push_back(operation);
    return result.empty() ? 0 : operation.outputs.front();
  }
};

coreml::Operand of(coreml::ValueId value) { return {value, {}}; }

struct Compiler {
  mlir::DialectRegistry registry;
  std::unique_ptr<mlir::MLIRContext> context;
  mil::PackageWeights weights;

  Compiler() {
    registerDialects(registry);
    context = std::make_unique<mlir::MLIRContext>(registry);
  }

  Result<mlir::OwningOpRef<mlir::ModuleOp>> import(const coreml::Program &program) {
    Result<mil::ImportedProgram> imported =
        mil::importProgram(program, "by hand", "0", mil::Forms::all, weights, context.get());
    if (!imported)
      return Failure{imported.message()};
    return std::move(imported->module);
  }

  std::string refusal(const coreml::Program &program) {
    auto module = import(program);
    return module ? "" : module.message();
  }
};

/// state = state + x, row `at` of it first set to 0; y = the new contents, one row longer for each of x's.
coreml::Function accumulating(FunctionMaker &maker, TensorType state) {
  const coreml::ValueId x = maker.input("x", {Element::f16, {coreml::kAnySize, 4}});
  const coreml::ValueId at = maker.input("at", {Element::i32, {1}});
  const coreml::ValueId cache = maker.input("cache", state, TypeKind::state);
  maker.function.declaredDims["x"] = {{1, 8, {}}, {}};
  const coreml::ValueId before = maker.op("read_state", {{"input", of(cache)}}, "before", state);
  const coreml::ValueId next =
      maker.op("add", {{"x", of(at)}, {"y", maker.integers({1})}}, "next", {Element::i32, {1}});
  const coreml::ValueId row = maker.op(
      "slice_by_index", {{"x", of(before)}, {"begin", maker.integers({0, 0})}, {"end", maker.integers({1, 4})}}, "row",
      {Element::f16, {1, 4}});
  const TensorType offsets{Element::i32, {2}};
  const auto offset = [&](coreml::ValueId first, int32_t second, const std::string &name) {
    maker.op("concat", {{"values", of(first)}, {"axis", maker.integers({0}, true)}}, name, offsets);
    maker.function.body.operations.back().inputs["values"].push_back(maker.integers({second}));
    return maker.function.body.operations.back().outputs.front();
  };
  const coreml::ValueId begin = offset(at, 0, "begin"), end = offset(next, 4, "end");
  const coreml::ValueId after = maker.op(
      "slice_update", {{"x", of(before)}, {"update", of(row)}, {"begin", of(begin)}, {"end", of(end)}}, "after", state);
  maker.op("write_state", {{"input", of(cache)}, {"data", of(after)}}, "", {});
  maker.op("concat", {{"values", of(after)}, {"axis", maker.integers({0}, true)}}, "y",
           {Element::f16, {coreml::kAnySize, 4}});
  maker.function.body.operations.back().inputs["values"].push_back(of(x));
  maker.function.body.outputs = maker.function.body.operations.back().outputs;
  return maker.function;
}

} // namespace

TEST_CASE("a function of a state becomes one of a register, whose proof holds") {
  Compiler compiler;
  FunctionMaker maker("main");
  auto module = compiler.import({{accumulating(maker, {Element::f16, {6, 4}})}, "main"});
  REQUIRE_MESSAGE(module, module.message());
  mlir::PassManager passes(compiler.context.get());
  passes.addPass(kv::createVerifyState());
  CHECK(mlir::succeeded(passes.run(**module)));
  std::string text;
  llvm::raw_string_ostream stream(text);
  (*module)->print(stream);
  for (const char *part : {"kv.register @cache layers(1) tensor<6x4xf16>", "kv.extents = \"a\", kv.name = \"x\"",
                           "a = {from = 1 : i64, to = 8 : i64}", "b = {constant = 6 : i64, terms = {a = 1 : i64}}",
                           "kv.extents = \"b\", kv.name = \"y\"", "kv.late"})
    CHECK_MESSAGE(text.find(part) != std::string::npos, part);
}

TEST_CASE("states of one name are one state, or no program") {
  Compiler compiler;
  FunctionMaker first("prefill"), second("decode");
  const coreml::Program program{
      {accumulating(first, {Element::f16, {6, 4}}), accumulating(second, {Element::f16, {8, 4}})}, "prefill"};
  CHECK(compiler.refusal(program) == "state 'cache' is fp16[6, 4] in function 'prefill' and fp16[8, 4] in function "
                                     "'decode': they cannot share a state; "
                                     "convert both with one shape and type");
}

TEST_CASE("ops that are not known are listed, all of them, in blocks too") {
  FunctionMaker first("main"), second("other");
  const TensorType type{Element::f16, {2}};
  const coreml::ValueId x = first.input("x", type);
  first.op("non_zero", {{"x", of(x)}}, "best", type);
  first.op("cond", {{"pred", of(x)}}, "chosen", type);
  coreml::Block block;
  block.operations.push_back({"while_loop", 7, {}, {}, {}, {}});
  first.function.body.operations.back().blocks = {block};
  second.op("resize", {}, "bigger", type);
  const std::vector<std::string> expected{"function 'main': non_zero 'best' (op 0)",
                                          "function 'main': while_loop (op 7)",
                                          "function 'other': resize 'bigger' (op 0)"};
  CHECK(mil::unknownOps({{first.function, second.function}, "main"}) == expected);
}

TEST_CASE("a large constant is one weight for all functions, and its bytes stay where they are") {
  const std::vector<uint8_t> bytes(2 * 32 * 64, 0x3c), zeros(2 * 32);
  const auto linear = [&](const std::string &name) {
    FunctionMaker maker(name);
    const coreml::ValueId x = maker.input("x", {Element::f16, {1, 3, 64}}),
                          w = maker.value("w", {Element::f16, {32, 64}});
    maker.function.values[w].constant = coreml::Constant{{Element::f16, {32, 64}}, bytes, {}};
    const coreml::Operand none{{}, coreml::Constant{{Element::f16, {32}}, zeros, {}}};
    maker.function.body.outputs = {
        maker.op("linear", {{"x", of(x)}, {"weight", of(w)}, {"bias", none}}, "y", {Element::f16, {1, 3, 32}})};
    return maker;
  };
  Compiler compiler;
  const FunctionMaker first = linear("one"), second = linear("two");
  auto module = compiler.import({{first.function, second.function}, "one"});
  REQUIRE_MESSAGE(module, module.message());
  const auto weights = (*module)->getOps<lm::WeightOp>();
  REQUIRE(std::distance(weights.begin(), weights.end()) == 1); // and no bias, which is 0
  CHECK((*weights.begin()).getSource() == "w");
  Result<SourceTensor> tensor = compiler.weights.find("w");
  REQUIRE(tensor);
  CHECK(tensor->bytes.data() == bytes.data());
  CHECK(tensor->rows == 32);
  CHECK(tensor->columns == 64);
  (*module)->walk([](mlir::Operation *op) {
    for (mlir::Type type : op->getResultTypes())
      if (auto ranked = mlir::dyn_cast<mlir::RankedTensorType>(type);
          ranked && op->hasTrait<mlir::OpTrait::ConstantLike>())
        CHECK(ranked.getNumElements() < 1024);
  });
}

TEST_CASE("what can't be right is refused with its op") {
  Compiler compiler;
  const TensorType type{Element::f16, {2, 3}};
  const auto refusal = [&](const std::string &op, auto inputs, TensorType result) {
    FunctionMaker maker("main");
    const coreml::ValueId x = maker.input("x", type);
    auto operands = inputs(maker);
    operands["x"] = of(x);
    maker.function.body.outputs = {maker.op(op, operands, "y", std::move(result))};
    return compiler.refusal({{maker.function}, "main"});
  };
  using Operands = std::map<std::string, coreml::Operand>;
  const auto none = [](FunctionMaker &) { return Operands(); };
  CHECK(refusal("transpose", none, type) == "function 'main': transpose 'y' (op 0) has no input 'perm'");
  CHECK(refusal(
            "transpose", [](FunctionMaker &m) { return Operands{{"perm", m.integers({0, 2})}}; }, type) ==
        "function 'main': transpose 'y' (op 0) asks for dim 2 of 2");
  CHECK(refusal(
            "transpose", [](FunctionMaker &m) { return Operands{{"perm", m.integers({1, 0})}}; }, type) ==
        "function 'main': transpose 'y' (op 0) makes fp16[3, 2], the package says fp16[2, 3]");
  CHECK(refusal(
            "reshape", [](FunctionMaker &m) { return Operands{{"shape", m.integers({4, -1})}}; }, type) ==
        "function 'main': reshape 'y' (op 0) reshapes to another number of elements");
  CHECK(refusal("reshape", [](FunctionMaker &m) { return Operands{{"shape", m.integers({1 << 30, 1 << 30, 16, 6})}}; },
                {Element::f16, {1 << 30, 1 << 30, 16, 6}}) ==
        "function 'main': reshape 'y' (op 0) reshapes to more than memory holds");
  CHECK(refusal("tile", [](FunctionMaker &m) { return Operands{{"reps", m.integers({1 << 30, 1 << 30})}}; },
                {Element::f16, {int64_t(2) << 30, int64_t(3) << 30}}) ==
        "function 'main': tile 'y' (op 0) makes what is larger than memory");
  CHECK(refusal(
            "split", [](FunctionMaker &m) { return Operands{{"num_splits", m.integers({2000000000}, true)}}; }, type)
            .find("cuts a dim into parts that do not make it up") != std::string::npos);
  CHECK(refusal(
            "slice_by_index",
            [](FunctionMaker &m) { return Operands{{"begin", m.integers({0, 4})}, {"end", m.integers({2, 5})}}; }, type)
            .find("has offsets that are outside of dim 1") != std::string::npos);
  CHECK(
      refusal("gather", [](FunctionMaker &m) { return Operands{{"indices", m.integers({2})}}; }, {Element::f16, {1, 3}})
          .find("has an index that is outside of what it points into") != std::string::npos);
}
