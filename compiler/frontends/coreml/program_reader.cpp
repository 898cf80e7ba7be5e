// SPDX-License-Identifier: MIT
#include "compiler/frontends/coreml/program_reader.h"

#include "compiler/frontends/coreml/constant_reader.h"
#include "compiler/frontends/coreml/mil.pb.h"
#include "plugins/quotes.h"

#include <algorithm>
#include <set>

namespace kvasir::coreml {
namespace {

/// One function of the program. The first failure sticks; reading goes on to nothing after it.
class FunctionReader {
public:
  FunctionReader(std::string name, ConstantStore &store) : store(store) { function.name = std::move(name); }

  Result<Function> read(const wire::Function &from) {
    const auto block = from.block_specializations().find(from.opset());
    if (block == from.block_specializations().end())
      return Failure{place() + "there is no block for its opset " + inQuotes(from.opset())};
    for (const wire::NamedValueType &input : from.inputs())
      function.inputs.push_back(define(input.name(), input.type()));
    function.body = readBlock(block->second);
    if (failure)
      return *failure;
    return std::move(function);
  }

private:
  std::string place() const { return "function " + inQuotes(function.name) + ": "; }

  void fail(const std::string &message) {
    if (!failure)
      failure = Failure{place() + message};
  }

  ValueId define(const std::string &name, const wire::ValueType &wireType) {
    Result<Type> type = readType(wireType);
    if (!type)
      fail(inQuotes(name) + " " + type.message());
    const ValueId id = ValueId(function.values.size());
    if (const auto [place, isNew] = names.emplace(name, id); isNew)
      defined.push_back(place);
    else
      fail("the name " + inQuotes(name) + " is given twice");
    function.values.push_back({name, type ? *type : Type{}, {}});
    return id;
  }

  ValueId find(const std::string &name, const std::string &user) {
    const auto found = names.find(name);
    if (found != names.end())
      return found->second;
    fail(user + " uses " + inQuotes(name) + ", which nothing before it gives");
    return 0;
  }

  /// What a block defines, only it sees.
  Block readBlock(const wire::Block &from) {
    const size_t outer = defined.size();
    Block block;
    for (const wire::NamedValueType &input : from.inputs())
      block.inputs.push_back(define(input.name(), input.type()));
    for (const wire::Operation &operation : from.operations()) {
      block.operations.push_back(readOperation(operation));
      if (failure)
        return block;
    }
    for (const std::string &output : from.outputs())
      block.outputs.push_back(find(output, "a block's output"));
    for (; defined.size() > outer; defined.pop_back())
      names.erase(defined.back());
    return block;
  }

  Operation readOperation(const wire::Operation &from) {
    Operation operation;
    operation.type = from.type();
    operation.index = numOperations++;
    const std::string title = describe(from, operation.index);
    for (const auto &[name, argument] : from.inputs())
      for (const wire::Argument::Binding &binding : argument.arguments())
        operation.inputs[name].push_back(readOperand(binding, title));
    for (const auto &[name, value] : from.attributes())
      readAttribute(operation, name, value, title);
    for (const wire::Block &block : from.blocks()) {
      operation.blocks.push_back(readBlock(block));
      if (failure)
        return operation;
    }
    for (const wire::NamedValueType &output : from.outputs())
      operation.outputs.push_back(define(output.name(), output.type()));
    if (operation.type == "const")
      keepConstant(operation, title);
    return operation;
  }

  static std::string describe(const wire::Operation &from, uint32_t index) {
    const std::string name = from.outputs_size() == 0 ? "" : " " + inQuotes(from.outputs(0).name());
    return inQuotes(from.type()) + name + " (op " + std::to_string(index) + ")";
  }

  Operand readOperand(const wire::Argument::Binding &binding, const std::string &title) {
    if (binding.binding_case() == wire::Argument::Binding::kName)
      return {find(binding.name(), title), {}};
    Result<Constant> literal = readConstant(binding.value(), store);
    if (!literal)
      fail(title + ": " + literal.message());
    return {{}, literal ? std::move(*literal) : Constant{}};
  }

  /// Tuples and dictionaries are passed over: no op that is understood has one.
  void readAttribute(Operation &operation, const std::string &name, const wire::Value &value,
                     const std::string &title) {
    if (!value.type().has_tensor())
      return;
    Result<Constant> constant = readConstant(value, store);
    if (!constant)
      return fail(title + ": " + constant.message());
    operation.attributes.emplace(name, std::move(*constant));
  }

  void keepConstant(const Operation &operation, const std::string &title) {
    const auto value = operation.attributes.find("val");
    if (value == operation.attributes.end() || operation.outputs.size() != 1)
      return fail(title + " has no value");
    Value &output = function.values[operation.outputs.front()];
    if (output.type != Type{TypeKind::tensor, value->second.type})
      return fail(title + " says that it is " + text(output.type) + " and has a value of type " +
                  text(value->second.type));
    output.constant = value->second;
  }

  ConstantStore &store;
  Function function;
  std::map<std::string, ValueId> names;
  std::vector<std::map<std::string, ValueId>::iterator> defined; ///< these, in the order of the file
  uint32_t numOperations = 0;
  std::optional<Failure> failure;
};

using Features = google::protobuf::RepeatedPtrField<wire::FeatureDescription>;

/// What the description says of a function's states.
Result<std::map<std::string, TensorType>> readDeclaredStates(const Features &states) {
  std::map<std::string, TensorType> declared;
  for (const wire::FeatureDescription &state : states) {
    const wire::ArrayFeatureType &array = state.type().state().array();
    const ElementFacts *element = findByFeatureNumber(array.data_type());
    if (!element)
      return Failure{"the description gives state " + inQuotes(state.name()) + " element type number " +
                     std::to_string(array.data_type()) + ", which is not known"};
    declared[state.name()] = {element->element, {array.shape().begin(), array.shape().end()}};
  }
  return declared;
}

std::vector<DimRange> readRanges(const wire::ArrayFeatureType::ShapeRange &shape) {
  std::vector<DimRange> ranges;
  for (const wire::ArrayFeatureType::SizeRange &range : shape.size_ranges())
    if (ranges.size() < kMostDims)
      ranges.push_back({int64_t(std::clamp<uint64_t>(range.lower_bound(), 1, INT32_MAX)),
                        range.upper_bound() < 0 ? kAnySize : range.upper_bound(),
                        {}});
  return ranges;
}

/// Dim by dim, what it is in one of the shapes.
std::vector<DimRange> readShapes(const wire::ArrayFeatureType::EnumeratedShapes &enumerated) {
  std::vector<std::set<int64_t>> sizes;
  for (const wire::ArrayFeatureType::Shape &shape : enumerated.shapes()) {
    const size_t rank = std::min(size_t(shape.shape_size()), kMostDims);
    sizes.resize(std::max(sizes.size(), rank));
    for (size_t i = 0; i < rank; ++i)
      if (shape.shape(int(i)) > 0)
        sizes[i].insert(shape.shape(int(i)));
  }
  std::vector<DimRange> ranges;
  for (const std::set<int64_t> &each : sizes)
    ranges.push_back({1, kAnySize, {each.begin(), each.end()}});
  return ranges;
}

/// What the description says of the dims of a function's inputs, where a call may choose.
std::map<std::string, std::vector<DimRange>> readDeclaredDims(const Features &inputs) {
  std::map<std::string, std::vector<DimRange>> declared;
  for (const wire::FeatureDescription &input : inputs) {
    const wire::ArrayFeatureType &array = input.type().array();
    if (array.has_shape_range())
      declared[input.name()] = readRanges(array.shape_range());
    else if (array.has_enumerated_shapes())
      declared[input.name()] = readShapes(array.enumerated_shapes());
  }
  return declared;
}

Result<Function> readFunction(const wire::Model &model, const std::string &name, const Features &inputs,
                              const Features &states, ConstantStore &store) {
  const auto found = model.program().functions().find(name);
  if (found == model.program().functions().end())
    return Failure{"the description names function " + inQuotes(name) + ", which the program does not have"};
  Result<Function> function = FunctionReader(name, store).read(found->second);
  Result<std::map<std::string, TensorType>> declared = readDeclaredStates(states);
  if (!function || !declared)
    return Failure{function ? declared.message() : function.message()};
  function->declaredStates = std::move(*declared);
  function->declaredDims = readDeclaredDims(inputs);
  return function;
}

} // namespace

Result<Program> readProgram(std::span<const uint8_t> bytes, ConstantStore &store) {
  const google::protobuf::LogSilencer silencer; // a library never prints
  wire::Model model;
  if (bytes.size() > INT32_MAX || !model.ParseFromArray(bytes.data(), int(bytes.size())))
    return Failure{"the program is damaged: it is no protobuf of a Core ML model"};
  if (!model.has_program())
    return Failure{"the model is no ML program; convert it again with convert_to=\"mlprogram\""};

  const wire::ModelDescription &description = model.description();
  Program program;
  const auto add = [&](const std::string &name, const Features &inputs, const Features &states) -> Status {
    Result<Function> function = readFunction(model, name, inputs, states, store);
    if (!function)
      return Failure{function.message()};
    program.functions.push_back(std::move(*function));
    return Done{};
  };
  std::set<std::string> described;
  for (const wire::FunctionDescription &function : description.functions()) {
    if (!described.insert(function.name()).second)
      return Failure{"the description names function " + inQuotes(function.name()) + " twice"};
    if (Status status = add(function.name(), function.input(), function.state()); !status)
      return Failure{status.message()};
  }
  if (described.empty())
    if (Status status = add("main", description.input(), description.state()); !status)
      return Failure{status.message()};
  program.defaultFunction =
      description.default_function().empty() ? program.functions.front().name : description.default_function();
  return program;
}

} // namespace kvasir::coreml
