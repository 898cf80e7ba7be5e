// SPDX-License-Identifier: MIT
// What a compiler does with a file before MLIR comes in: weights unpacked and packed, tokenizer read; whole and
// damaged.
#include "compiler/frontends/gguf/vocabulary.h"
#include "compiler/frontends/gguf/weights.h"
#include "compiler/packing/packer.h"
#include "tests/unit/damage.h"
#include "tests/unit/small_model.h"

#include <doctest/doctest.h>

#include <atomic>

using namespace kvasir;

namespace {

/// Values in f32, row-major.
Layout valuesOf(const SourceTensor &tensor) {
  std::vector<Digit> digits{{Axis::column, tensor.columns, 32}, {Axis::row, tensor.rows, tensor.columns * 32}};
  return {tensor.rows * tensor.columns * 4, {{PlaneRole::value, ElementType::f32, 0, digits}}};
}

/// Packs every tensor; the sum of the bytes that were written.
Result<uint64_t> packAll(const gguf::File &file) {
  gguf::FileWeights source(file);
  std::vector<PackedWeight> weights;
  uint64_t end = 0;
  for (std::string_view name : source.names()) {
    Result<SourceTensor> tensor = source.find(name);
    if (!tensor)
      return Failure{tensor.message()};
    PackedWeight weight{std::string(name), 1, tensor->rows, tensor->columns, tensor->form, valuesOf(*tensor)};
    weight.offsetBytes = end;
    weight.strideBytes = weight.layout.sizeBytes;
    end += weight.strideBytes;
    weights.push_back(std::move(weight));
  }
  std::atomic<uint64_t> written = 0;
  auto write = [&](uint64_t, std::span<const uint8_t> bytes) -> Status {
    written += bytes.size();
    return Done{};
  };
  Status status = packWeights(weights, source, write, [](uint64_t, uint64_t) {});
  if (!status)
    return Failure{status.message()};
  return written.load();
}

Result<uint32_t> readTokens(const gguf::File &file) {
  Result<Vocabulary> vocabulary = gguf::vocabularyOf(file);
  if (!vocabulary)
    return Failure{vocabulary.message()};
  Result<std::vector<uint8_t>> bytes = serialise(*vocabulary);
  if (!bytes)
    return Failure{bytes.message()};
  Result<VocabularyView> view = VocabularyView::parse(*bytes);
  if (!view)
    return Failure{view.message()};
  return view->numTokens();
}

} // namespace

TEST_CASE("a whole model") {
  std::vector<uint8_t> bytes = SmallModel().bytes();
  Result<gguf::File> file = gguf::File::parse(bytes);
  REQUIRE_MESSAGE(file, file.message());
  Result<uint64_t> written = packAll(*file);
  REQUIRE_MESSAGE(written, written.message());
  CHECK(*written == 4 * (96 * 64 + 64 + 2 * (2 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64)));
  Result<uint32_t> tokens = readTokens(*file);
  REQUIRE_MESSAGE(tokens, tokens.message());
  CHECK(*tokens == 96);
}

TEST_CASE("a tokenizer's keys are checked") {
  auto message = [](const char *key, std::optional<SmallModel::Value> value) {
    SmallModel model;
    model.metadata.erase(key);
    if (value)
      model.metadata[key] = *value;
    std::vector<uint8_t> bytes = model.bytes();
    Result<gguf::File> file = gguf::File::parse(bytes);
    REQUIRE_MESSAGE(file, file.message());
    Result<Vocabulary> vocabulary = gguf::vocabularyOf(*file);
    return vocabulary ? "" : vocabulary.message();
  };
  CHECK(message("tokenizer.ggml.model", {}).find("has no tokenizer") == 0);
  CHECK(message("tokenizer.ggml.merges", "none") ==
        "metadata 'tokenizer.ggml.merges' is 'none'; an array of strings is expected");
  CHECK(message("tokenizer.ggml.eos_token_id", 1.5f) ==
        "metadata 'tokenizer.ggml.eos_token_id' is 1.500000; a token id is expected");
  CHECK(message("tokenizer.ggml.eos_token_id", 0xffffffffu) == ""); // how some writers say that there is none
}

TEST_CASE("500 damaged models are read or refused in one line") {
  const std::vector<uint8_t> whole = SmallModel().bytes();
  std::mt19937 random(3);
  int numRefused = 0;
  for (int i = 0; i < 500; ++i) {
    std::vector<uint8_t> bytes = damaged(whole, random);
    Result<gguf::File> file = gguf::File::parse(bytes);
    if (!file) {
      REQUIRE(file.message().find('\n') == std::string::npos);
      ++numRefused;
      continue;
    }
    Result<uint64_t> written = packAll(*file);
    Result<uint32_t> tokens = readTokens(*file);
    if (!written)
      REQUIRE(written.message().find('\n') == std::string::npos);
    if (!tokens)
      REQUIRE(tokens.message().find('\n') == std::string::npos);
  }
  CHECK(numRefused > 100);
  CHECK(numRefused < 500);
}

TEST_CASE("a flipped weight does no harm") {
  const std::vector<uint8_t> whole = SmallModel().bytes();
  std::mt19937 random(4);
  for (int i = 0; i < 20; ++i) {
    std::vector<uint8_t> bytes = whole;
    bytes[bytes.size() - 1 - random() % 40000] ^= uint8_t(1 << random() % 8);
    Result<gguf::File> file = gguf::File::parse(bytes);
    REQUIRE_MESSAGE(file, file.message());
    CHECK(packAll(*file));
  }
}
