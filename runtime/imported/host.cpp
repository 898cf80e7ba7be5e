// SPDX-License-Identifier: MIT
#include "runtime/imported/host.h"

#include "runtime/imported/row_map.h"

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

/// A number of the embedding that an id gets, in steps of 1/64 up to 1.
double embeddingOf(int32_t id, uint64_t lane) {
  const uint64_t bits = (static_cast<uint64_t>(id) + 1) * 0x9e3779b97f4a7c15 ^ (lane + 1) * 0xbf58476d1ce4e5b9;
  return (static_cast<double>((bits ^ bits >> 29) % 128) - 63.5) / 64;
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

bool isCalledVectors(const TensorDescription &input) {
  return isFloat(input.element) && input.shape.size() >= 2 && mentions(input.name, {"embed", "hidden"}) &&
         !isCalledMask(input) && !mentions(input.name, {"pos", "rope", "cos", "sin"});
}

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

/// Ids come last; embeddings' numbers come behind their tokens, or before them: [1, E, 1, T].
size_t tokenAxisOf(const TensorDescription &tokens, bool areVectors) {
  const size_t rank = tokens.shape.size();
  const bool isChannelFirst = rank == 4 && isSingle({"", tokens.element, {tokens.shape[2]}});
  return !areVectors || isChannelFirst ? rank - 1 : rank - 2;
}

void readTokenCounts(HostFunction &host, const TensorDescription &tokens) {
  host.tokenAxis = tokenAxisOf(tokens, host.takesVectors);
  const Dimension &count = tokens.shape[host.tokenAxis];
  host.leastTokens = host.mostTokens = count.number;
  if (const ExtentDescription *extent = count.symbol ? extentOf(*host.function, count.symbol) : nullptr) {
    host.leastTokens = extent->from;
    host.mostTokens = extent->to;
    host.allowedTokens = extent->values;
  }
  if (host.tokenAxis > 0 && !tokens.shape[0].symbol)
    host.batch = std::max<uint64_t>(1, tokens.shape[0].number);
}

/// A matrix that is not called ids beside a mask of one line: the ids of several codebooks for one token.
void readCodebooks(HostFunction &host, const TensorDescription &tokens, const TensorDescription &mask) {
  const bool isOneLine = mask.shape.size() >= 3 && isSingle({"", mask.element, {mask.shape[mask.shape.size() - 2]}});
  if (host.takesVectors || isCalledTokens(tokens) || !isOneLine || host.isAnyLength() || tokens.shape.back().symbol)
    return;
  host.idsPerToken = std::max<uint64_t>(1, host.mostTokens);
  host.leastTokens = host.mostTokens = 1;
}

/// The shape of one input in a call: equal symbols are equal numbers.
class Shapes {
public:
  explicit Shapes(const HostCall &call) : call(call) {
    const HostFunction &host = *call.function;
    if (const Dimension &tokens = host.find(host.tokenInput)->shape[host.tokenAxis]; tokens.symbol)
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

/// What the columns of a mask stand for.
struct MaskColumns {
  CacheForm cache;
  bool isBeside = false; ///< rows as they were before the call, and the call's own tokens behind them

  MaskColumns(uint64_t numColumns, const HostCall &call, const std::vector<CacheForm> &caches) {
    const auto hasRows = [&](uint64_t count) {
      const auto found = std::ranges::find(caches, count, &CacheForm::numRows);
      if (found != caches.end())
        cache = *found;
      return found != caches.end();
    };
    cache = caches.empty() ? CacheForm{} : caches[0];
    if (call.function->style == PositionStyle::width || hasRows(numColumns) || numColumns < call.numTokens())
      return;
    isBeside = hasRows(numColumns - call.numTokens());
  }

  uint64_t of(uint64_t token, const HostCall &call) const {
    if (isBeside)
      return token < call.position ? cache.rowOf(token, call.position) : cache.numRows + token - call.position;
    return cache.rowOf(token, call.position + call.numTokens());
  }
};

/// A token sees itself and what was before it; where rows are reused, only tokens whose rows every token of any call
/// still finds. Added to scores, so 0 and kHidden; of integers and bools 1 and 0.
void fillMask(Tensor &mask, const HostCall &call, const std::vector<CacheForm> &caches) {
  const uint64_t numColumns = mask.dims.back(), numLines = numLinesOf(mask, call);
  const bool isAdded = isFloat(mask.element);
  const MaskColumns columns(numColumns, call, caches);
  const CacheForm &cache = columns.cache;
  mask.setAll(isAdded ? kHidden : 0);
  for (uint64_t line = 0; line * numColumns < mask.numElements(); ++line) {
    const uint64_t row = numLines == 1 ? call.numTokens() - 1 : line % numLines;
    const uint64_t last = call.position + row, first = cache.firstSeen(last);
    const auto show = [&](uint64_t token) {
      if (const uint64_t column = columns.of(token, call); column < numColumns)
        mask.set(line * numColumns + column, isAdded ? 0 : 1);
    };
    for (uint64_t token = 0; token < std::min(first, cache.numSinks); ++token)
      show(token);
    for (uint64_t token = first; token <= last; ++token)
      show(token);
  }
}

/// Ids, or the embeddings of them.
void fillTokens(Tensor &tensor, const HostCall &call) {
  const HostFunction &host = *call.function;
  uint64_t inner = 1;
  for (size_t axis = host.tokenAxis + 1; axis < tensor.dims.size(); ++axis)
    inner *= tensor.dims[axis];
  const uint64_t count = call.numTokens(), ofSequence = tensor.numElements() / host.batch;
  for (uint64_t i = 0; host.takesVectors && i < ofSequence * host.batch; ++i) {
    const uint64_t token = i / ofSequence * count + i / inner % count;
    const uint64_t lane = i % ofSequence / (inner * count) * inner + i % inner;
    tensor.set(i, embeddingOf(call.ids[std::min<uint64_t>(token, call.ids.size() - 1)], lane));
  }
  for (uint64_t i = 0; !host.takesVectors && i < std::min<uint64_t>(tensor.numElements(), call.ids.size()); ++i)
    tensor.set(i, call.ids[i]);
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

bool HostFunction::isMask(const TensorDescription &input) const {
  return input.name != tokenInput && (input.name == maskInput || isCalledMask(input));
}

std::vector<std::string> HostFunction::guessedInputs() const {
  std::vector<std::string> names;
  for (const TensorDescription &input : function->inputs)
    if (input.name != tokenInput && !isMask(input) && !isPosition(input))
      names.push_back(input.name);
  return names;
}

const TensorDescription *HostFunction::find(const std::string &input) const {
  return findInput(*function, [&](const TensorDescription &each) { return each.name == input; });
}

std::optional<HostFunction> hostFunctionOf(const FunctionDescription &function) {
  const TensorDescription *ids = findTokens(function), *tokens = ids ? ids : findInput(function, isCalledVectors);
  if (!tokens)
    return std::nullopt;
  HostFunction host;
  host.takesVectors = !ids;
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

Tensors inputsOf(const HostCall &call, const std::vector<CacheForm> &caches) {
  const HostFunction &host = *call.function;
  const Shapes shapes(call);
  Tensors inputs;
  for (const TensorDescription &wanted : host.function->inputs) {
    Tensor tensor = Tensor::make(wanted.element, shapes.of(wanted));
    if (wanted.name == host.tokenInput)
      fillTokens(tensor, call);
    else if (host.isPosition(wanted))
      fillPositions(tensor, call);
    else if (host.isMask(wanted))
      fillMask(tensor, call, caches);
    else
      tensor.setAll(1);
    inputs[wanted.name] = std::move(tensor);
  }
  return inputs;
}

Tensors madeUpInputs(const FunctionDescription &function, uint64_t number) {
  if (const auto host = hostFunctionOf(function)) {
    std::vector<int32_t> ids(host->batch * host->leastTokens, static_cast<int32_t>(number + 1));
    return inputsOf({&*host, ids, number * host->leastTokens}, {});
  }
  Tensors inputs;
  for (const TensorDescription &input : function.inputs) {
    std::vector<uint64_t> dims;
    for (const Dimension &dim : input.shape) {
      uint64_t extent = dim.symbol ? 1 : dim.number;
      for (const ExtentDescription &each : function.extents)
        if (dim.symbol && each.symbol == dim.symbol)
          extent = each.from;
      dims.push_back(extent);
    }
    const Tensor zeros = Tensor::make(input.element, dims);
    const bool isWhole = input.element == ElementType::i32 || input.element == ElementType::i64;
    inputs[input.name] = isWhole ? zeros : fill(zeros, number + 1);
  }
  return inputs;
}

std::vector<std::string> inventionsOf(const HostFunction &host, const std::vector<CacheForm> &caches) {
  std::vector<std::string> lines;
  const CacheForm cache = caches.empty() ? CacheForm{} : caches[0];
  for (const TensorDescription &input : host.function->inputs) {
    std::string line = host.name() + ", " + input.name + ": ";
    if (input.name == host.tokenInput)
      line += std::string(host.takesVectors ? "made up embeddings of tokens, " : "token ids, ") +
              (host.isAnyLength() ? "any number of" : std::to_string(host.mostTokens)) + " a call" +
              (host.idsPerToken > 1 ? ", " + std::to_string(host.idsPerToken) + " each" : "");
    else if (host.isPosition(input))
      line += "the number of tokens before the call";
    else if (host.isMask(input))
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
