// SPDX-License-Identifier: MIT
// Seals the toy plugin as the compiler would: with a vocabulary, tables of tensors and steps, and weights.
// usage: seal_toy toy_plugin.kvasir out.kvasir
#include "plugins/steps.h"
#include "plugins/tensors.h"
#include "plugins/vocabulary.h"
#include "plugins/writer.h"
#include "tests/unit/toy/toy_plugin.h"

#include <cstdio>
#include <fstream>
#include <iterator>

using namespace kvasir;

namespace {

constexpr uint64_t kWeightsBytes = 3 << 20;

/// 60 tokens of one character, then the four special ones.
Vocabulary toyVocabulary() {
  Vocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "gpt-2";
  for (const char *characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,0123"; *characters; ++characters)
    vocabulary.tokens.emplace_back(1, *characters);
  vocabulary.tokens.insert(vocabulary.tokens.end(), {"Ċ", "Ġ", "<fail>", "<wait>", "Ã", "<|end|>"});
  vocabulary.types.assign(vocabulary.tokens.size(), static_cast<int32_t>(TokenType::normal));
  for (const int special : {TOY_FAILS, TOY_WAITS, TOY_END})
    vocabulary.types[special] = static_cast<int32_t>(TokenType::control);
  vocabulary.special.eos = TOY_END;
  return vocabulary;
}

std::vector<WeightTensor> toyTensors() {
  const uint64_t third = kWeightsBytes / 3;
  const Layout layout{third / 2,
                      {{PlaneRole::value, ElementType::f32, 0, {{Axis::column, 256, 32}, {Axis::row, 512, 8192}}}}};
  return {{"blk.{}.attn_q.weight", "512x256, codes = f32", 2, 0, third / 2, third / 2, layout},
          {"output.weight", "1024x512, codes = f32", 1, third, 2 * third, 2 * third, {}}};
}

StepTable toySteps() {
  StepTable table;
  table.ops = {{"kv.append", "blk.{layer}.append_k"},
               {"kv.append", "blk.{layer}.append_v"},
               {"kv.attend", "attention", StepRows::wanted, {}, "k", "v", 1, 0},
               {"lm.linear", "output", StepRows::wanted, {"output.weight"}}};
  table.variants = {{"any", {{"", {0, 1}}, {"toy.logits", {2, 3}}}}};
  return table;
}

template <typename T> T orExit(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "seal_toy: %s\n", result.message().c_str());
    std::exit(1);
  }
  return std::move(*result);
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 3)
    return 2;
  std::ifstream file(argv[1], std::ios::binary);
  const std::vector<uint8_t> image{std::istreambuf_iterator<char>(file), {}};
  const std::string table = tensorsToJson(toyTensors()), steps = stepsToJson(toySteps());
  const std::vector<Section> sections = {{"tensors", {table.begin(), table.end()}},
                                         {"steps", {steps.begin(), steps.end()}},
                                         {"tokenizer", orExit(serialise(toyVocabulary()))}};
  const auto writer = orExit(ArtefactWriter::begin(argv[2], image, sections, kWeightsBytes));
  orExit(writer->finish());
}
