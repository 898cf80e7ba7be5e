// SPDX-License-Identifier: MIT
#include "compiler/models/configuration.h"

#include <algorithm>
#include <cmath>

namespace kvasir {
namespace {

/// The shortest beginning that the whole is made of, the last time maybe not to its end.
std::vector<bool> shortestTurn(std::vector<bool> whole) {
  size_t turn = 1;
  while (!std::equal(whole.begin() + ptrdiff_t(turn), whole.end(), whole.begin()))
    ++turn;
  whole.resize(turn);
  return whole;
}

} // namespace

void Configuration::fail(std::string message) {
  if (!first)
    first = Failure{std::move(message)};
}

void Configuration::failValue(std::string_view name, const gguf::Value *value, const char *expected) {
  std::string key = inQuotes(prefix + std::string(name));
  if (value)
    fail("metadata " + key + " is " + value->summary() + "; " + expected + " is expected");
  else
    fail("metadata " + key + " is missing; " + expected + " is expected");
}

void Configuration::checkTokens(int64_t vocabulary) {
  const gguf::Value *tokens = file.find("tokenizer.ggml.tokens");
  if (tokens && tokens->count() > uint64_t(vocabulary))
    fail("the tokenizer has " + std::to_string(tokens->count()) + " tokens; the embedding has " +
         std::to_string(vocabulary));
}

int64_t Configuration::count(std::string_view name) {
  const gguf::Value *value = find(name);
  uint64_t number = value ? value->asUnsigned().value_or(0) : 0;
  if (number == 0 || number > uint64_t(INT32_MAX)) {
    failValue(name, value, "a positive integer");
    return 1;
  }
  return int64_t(number);
}

int64_t Configuration::count(std::string_view name, int64_t otherwise) {
  return contains(name) ? count(name) : otherwise;
}

std::optional<int64_t> Configuration::window(int64_t context, int64_t otherwise) {
  constexpr std::string_view kName = "attention.sliding_window";
  const gguf::Value *value = find(kName);
  const bool isNone = value ? value->asUnsigned() == 0 : otherwise == 0;
  const int64_t rows = isNone ? context : count(kName, otherwise);
  return rows < context ? std::optional(rows) : std::nullopt;
}

std::vector<bool> Configuration::slidingTurn(int64_t otherwise) {
  constexpr std::string_view kName = "attention.sliding_window_pattern";
  constexpr size_t kMostFlags = 4096, kLongestTurn = 64;
  const gguf::Value *value = find(kName);
  if (value && value->type() == gguf::ValueType::array) {
    std::optional<std::vector<bool>> flags = value->count() <= kMostFlags ? value->asBools() : std::nullopt;
    if (flags && int64_t(flags->size()) >= count("block_count"))
      return shortestTurn(*flags);
    failValue(kName, value, "a flag for each layer");
    return {false};
  }
  const int64_t layers = count(kName, otherwise);
  if (layers > int64_t(kLongestTurn))
    failValue(kName, value, "64 layers at most");
  std::vector<bool> turn(std::min(size_t(layers), kLongestTurn), true);
  turn.back() = false;
  return turn;
}

double Configuration::real(std::string_view name) {
  const gguf::Value *value = find(name);
  std::optional<double> number = value ? value->asReal() : std::nullopt;
  if (!number || !std::isfinite(*number)) {
    failValue(name, value, "a number");
    return 1;
  }
  return *number;
}

double Configuration::real(std::string_view name, double otherwise) { return contains(name) ? real(name) : otherwise; }

double Configuration::nonZero(std::string_view name) {
  const double number = real(name);
  if (number != 0)
    return number;
  failValue(name, find(name), "another number");
  return 1;
}

bool Configuration::flag(std::string_view name, bool otherwise) {
  const gguf::Value *value = find(name);
  if (!value)
    return otherwise;
  std::optional<bool> flag = value->asBool();
  if (!flag)
    failValue(name, value, "true or false");
  return flag.value_or(otherwise);
}

std::string Configuration::string(std::string_view name, std::string_view otherwise) {
  const gguf::Value *value = find(name);
  if (!value)
    return std::string(otherwise);
  std::optional<std::string_view> text = value->asString();
  if (!text)
    failValue(name, value, "a string");
  return std::string(text.value_or(otherwise));
}

} // namespace kvasir
