// SPDX-License-Identifier: MIT
#include "runtime/imported/host.h"

#include <algorithm>

namespace kvasir::imported {
namespace {

constexpr double kHidden = -65504; // the least finite f16; a whole row of it is no NaN

bool isInteger(const TensorDescription &tensor) {
  return tensor.element == ElementType::i32 || tensor.element == ElementType::i64;
}

bool mentions(const std::string &name, std::initializer_list<const char *> words) {
  std::string lower;
  for (const char letter : name)
    lower += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return std::ranges::any_of(words, [&](const char *word) { return lower.find(word) != std::string::npos; });
}

bool isSingle(const TensorDescription &tensor) {
  return std::ranges::all_of(tensor.shape, [](const Dimension &dim) { return !dim.symbol && dim.number == 1; });
}

/// The first input of which `isOne`; null if there is none.
template <typename Predicate> const TensorDescription *findInput(const FunctionDescription &function, Predicate isOne) {
  const auto found = std::ranges::find_if(function.inputs, isOne);
  return found == function.inputs.end() ? nullptr : &*found;
}

// The words are those of compiler/frontends/coreml/input_roles.cpp.

bool isCalledPosition(const TensorDescription &input) {
  return isInteger(input) && !mentions(input.name, {"mask"}) &&
         mentions(input.name, {"pos", "offset", "past", "start", "step", "cache_len", "index", "idx"});
}

bool isCalledMask(const TensorDescription &input) { return mentions(input.name, {"mask"}) && !input.shape.empty(); }

bool isCalledTokens(const TensorDescription &input) {
  return isInteger(input) && !input.shape.empty() && mentions(input.name, {"ids", "token"}) &&
         !isCalledPosition(input) && !mentions(input.name, {"mask", "type", "segment"});
}

const TensorDescription *findTokens(const FunctionDescription &function) {
  const auto isMatrix = [](const TensorDescription &input) {
    return isInteger(input) && input.shape.size() == 2 && !isCalledPosition(input) &&
           !mentions(input.name, {"mask", "type", "segment"});
  };
  const TensorDescription *named = findInput(function, isCalledTokens);
  return named ? named : findInput(function, isMatrix);
}

const TensorDescription *findPosition(const FunctionDescription &function, const std::string &tokens) {
  const TensorDescription *named = findInput(function, isCalledPosition);
  if (named)
    return named;
  std::vector<const TensorDescription *> singles;
  for (const TensorDescription &input : function.inputs)
    if (isInteger(input) && input.name != tokens && isSingle(input))
      singles.push_back(&input);
  return singles.size() == 1 && mentions(singles[0]->name, {"len", "time", "row", "n_"}) ? singles[0] : nullptr;
}

const TensorDescription *findMask(const FunctionDescription &function) {
  const auto isShaped = [](const TensorDescription &input) {
    return isFloat(input.element) && input.shape.size() >= 3 &&
           !mentions(input.name, {"cos", "sin", "rope", "embed", "hidden"});
  };
  const TensorDescription *named = findInput(function, isCalledMask);
  return named ? named : findInput(function, isShaped);
}

const ExtentDescription *extentOf(const FunctionDescription &function, char symbol) {
  const auto found = std::ranges::find(function.extents, symbol, &ExtentDescription::symbol);
  return found == function.extents.end() ? nullptr : &*found;
}

void readTokenCounts(HostFunction &host, const TensorDescription &tokens) {
  const Dimension &last = tokens.shape.back();
  host.leastTokens = host.mostTokens = last.number;
  if (const ExtentDescription *extent = last.symbol ? extentOf(*host.function, last.symbol) : nullptr) {
    host.leastTokens = extent->from;
    host.mostTokens = extent->to;
    host.allowedTokens = extent->values;
  }
  if (tokens.shape.size() > 1 && !tokens.shape[0].symbol)
    host.batch = std::max<uint64_t>(1, tokens.shape[0].number);
}

/// A matrix that is not called ids beside a mask of one line: the ids of several codebooks for one token.
void readCodebooks(HostFunction &host, const TensorDescription &tokens, const TensorDescription &mask) {
  const bool isOneLine = mask.shape.size() >= 3 && isSingle({"", mask.element, {mask.shape[mask.shape.size() - 2]}});
  if (isCalledTokens(tokens) || !isOneLine || host.isAnyLength() || tokens.shape.back().symbol)
    return;
  host.idsPerToken = std::max<uint64_t>(1, host.mostTokens);
  host.leastTokens = host.mostTokens = 1;
}

/// The shape of one input in a call: equal symbols are equal numbers.
class Shapes {
public:
  explicit Shapes(const HostCall &call) : call(call) {
    const HostFunction &host = *call.function;
    if (const Dimension &tokens = host.find(host.tokenInput)->shape.back(); tokens.symbol)
      numbers[tokens.symbol] = call.numTokens();
    const TensorDescription *mask = host.find(host.maskInput);
    if (mask && mask->shape.back().symbol)
      numbers.emplace(mask->shape.back().symbol, call.position + call.numTokens());
    // A line for each token, though nothing ties it to their number; or one for all, where there can be no more.
    if (const char lines = mask && mask->shape.size() > 1 ? mask->shape[mask->shape.size() - 2].symbol : 0)
      if (const ExtentDescription *extent = extentOf(*host.function, lines))
        numbers.emplace(lines, std::clamp(call.numTokens(), extent->from, std::max(extent->from, extent->to)));
  }

  std::vector<uint64_t> of(const TensorDescription &tensor) const {
    std::vector<uint64_t> dims;
    for (const Dimension &dim : tensor.shape)
      dims.push_back(dim.symbol ? numberOf(dim.symbol) : dim.number);
    return dims;
  }

private:
  uint64_t numberOf(char symbol) const {
    if (const auto known = numbers.find(symbol); known != numbers.end())
      return known->second;
    const ExtentDescription *extent = extentOf(*call.function->function, symbol);
    return extent ? extent->from : call.numTokens();
  }

  const HostCall &call;
  std::map<char, uint64_t> numbers;
};

/// Lines of a mask, one a token; 1 where one is for all tokens of a call, or for those of each sequence.
uint64_t numLinesOf(const Tensor &mask, const HostCall &call) {
  if (mask.dims.size() < 2)
    return 1;
  const uint64_t numLines = mask.dims[mask.dims.size() - 2];
  const bool isOfSequences = !isFloat(mask.element) && mask.dims.size() == 2 && numLines == call.function->batch;
  return isOfSequences ? 1 : numLines;
}

/// A token sees itself and what was before it; where rows are reused, only tokens whose rows every token of any call
/// still finds. Added to scores, so 0 and kHidden; of integers and bools 1 and 0.
void fillMask(Tensor &mask, const HostCall &call, const CacheForm &cache) {
  const uint64_t numColumns = mask.dims.back(), numLines = numLinesOf(mask, call);
  const bool isAdded = isFloat(mask.element);
  const uint64_t end = call.position + call.numTokens();
  for (uint64_t i = 0; i < mask.numElements(); ++i)
    mask.set(i, isAdded ? kHidden : 0);
  for (uint64_t line = 0; line * numColumns < mask.numElements(); ++line) {
    const uint64_t row = numLines == 1 ? call.numTokens() - 1 : line % numLines;
    const uint64_t last = call.position + row;
    for (uint64_t token = last + 1 > cache.window ? last + 1 - cache.window : 0; token <= last; ++token)
      if (const uint64_t column = cache.rowOf(token, end); column < numColumns)
        mask.set(line * numColumns + column, isAdded ? 0 : 1);
  }
}

void fillPositions(Tensor &positions, const HostCall &call) {
  const uint64_t numTokens = positions.dims.empty() ? 1 : positions.dims.back();
  for (uint64_t i = 0; i < positions.numElements(); ++i)
    positions.set(i, static_cast<double>(call.position + i % std::max<uint64_t>(1, numTokens)));
}

} // namespace

bool HostFunction::takes(uint64_t numTokens) const {
  const bool isListed = allowedTokens.empty() || std::ranges::find(allowedTokens, numTokens) != allowedTokens.end();
  return isListed && numTokens >= leastTokens && numTokens <= mostTokens;
}

bool HostFunction::isPosition(const TensorDescription &input) const {
  return input.name != tokenInput && (input.name == positionInput || isCalledPosition(input));
}

std::vector<std::string> HostFunction::guessedInputs() const {
  std::vector<std::string> names;
  for (const TensorDescription &input : function->inputs)
    if (input.name != tokenInput && input.name != maskInput && !isPosition(input))
      names.push_back(input.name);
  return names;
}

const TensorDescription *HostFunction::find(const std::string &input) const {
  return findInput(*function, [&](const TensorDescription &each) { return each.name == input; });
}

std::optional<HostFunction> hostFunctionOf(const FunctionDescription &function) {
  const TensorDescription *tokens = findTokens(function);
  if (!tokens)
    return std::nullopt;
  HostFunction host;
  host.function = &function;
  host.tokenInput = tokens->name;
  readTokenCounts(host, *tokens);
  if (const TensorDescription *mask = findMask(function)) {
    host.maskInput = mask->name;
    readCodebooks(host, *tokens, *mask);
    if (mask->shape.back().symbol)
      host.style = PositionStyle::width;
  }
  if (const TensorDescription *position = findPosition(function, tokens->name)) {
    host.positionInput = position->name;
    host.style = PositionStyle::input;
  }
  return host;
}

Tensors inputsOf(const HostCall &call, const CacheForm &cache) {
  const HostFunction &host = *call.function;
  const Shapes shapes(call);
  Tensors inputs;
  for (const TensorDescription &wanted : host.function->inputs) {
    Tensor tensor = Tensor::make(wanted.element, shapes.of(wanted));
    if (wanted.name == host.tokenInput)
      for (uint64_t i = 0; i < std::min<uint64_t>(tensor.numElements(), call.ids.size()); ++i)
        tensor.set(i, call.ids[i]);
    else if (host.isPosition(wanted))
      fillPositions(tensor, call);
    else if (wanted.name == host.maskInput)
      fillMask(tensor, call, cache);
    else
      for (uint64_t i = 0; i < tensor.numElements(); ++i)
        tensor.set(i, 1);
    inputs[wanted.name] = std::move(tensor);
  }
  return inputs;
}

std::vector<std::string> inventionsOf(const HostFunction &host, const CacheForm &cache) {
  std::vector<std::string> lines;
  for (const TensorDescription &input : host.function->inputs) {
    std::string line = host.name() + ", " + input.name + ": ";
    if (input.name == host.tokenInput)
      line += "token ids, " + (host.isAnyLength() ? "any number of" : std::to_string(host.mostTokens)) + " a call" +
              (host.idsPerToken > 1 ? ", " + std::to_string(host.idsPerToken) + " each" : "");
    else if (host.isPosition(input))
      line += "the number of tokens before the call";
    else if (input.name == host.maskInput)
      line += std::string(isFloat(input.element) ? "0 for a token itself and those before it, -65504 else"
                                                 : "1 for a token itself and those before it, 0 else") +
              (host.style == PositionStyle::width ? ", as wide as all tokens so far"
               : cache.style != CacheStyle::linear
                   ? ", also for tokens before the last " + std::to_string(cache.window) + ": their rows are used again"
                   : "");
    else
      line += "1, since nothing says what it is";
    lines.push_back(line);
  }
  return lines;
}

} // namespace kvasir::imported
