// SPDX-License-Identifier: MIT
// What the fuzzers begin with: small right inputs of every kind, one folder a fuzzer.
// usage: make_seeds FOLDER PLUGIN.kvasir...
#include "plugins/steps.h"
#include "plugins/tensors.h"
#include "plugins/writer.h"
#include "runtime/state_file/saved_state.h"
#include "tests/fuzz/package_input.h"
#include "tests/fuzz/sliding_toy.h"
#include "tests/unit/gguf_bytes.h"
#include "tests/unit/small_vocabularies.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

using namespace kvasir;
using namespace kvasir::runtime;

namespace {

using Bytes = std::vector<uint8_t>;

template <typename T> T orThrow(Result<T> result) {
  if (!result)
    throw std::runtime_error(result.message());
  return std::move(*result);
}

Bytes readBytes(const std::filesystem::path &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A folder of seeds, numbered.
class Seeds {
public:
  Seeds(const std::filesystem::path &root, const char *fuzzer) : folder(root / fuzzer) {
    std::filesystem::create_directories(folder);
  }

  std::string next() { return (folder / std::to_string(count++)).string(); }
  void add(const Bytes &bytes) {
    std::ofstream(next(), std::ios::binary)
        .write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  void add(std::string_view text) { add(Bytes(text.begin(), text.end())); }

private:
  const std::filesystem::path folder;
  int count = 0;
};

void seedStates(Seeds seeds) {
  const auto model = test::makeSlidingToy();
  for (const size_t length : {0, 3, 130, 300}) {
    const auto state = model->makeState(0);
    if (length > 0)
      predictOne(*model, *state, toyIds(length, 1));
    saveState(*model, *state, seeds.next());
  }
}

void seedPlugins(Seeds seeds, const std::vector<std::string> &plugins) {
  const std::string table =
      tensorsToJson({{"blk.{}.attn_q.weight", "bytes", 4, 0, 8, 8, {}}, {"output.weight", "bytes", 1, 32, 32, 32, {}}});
  for (const std::string &plugin : plugins) {
    const Bytes image = readBytes(plugin);
    seeds.add(image);
    const std::vector<Section> sections = {{"tensors", {table.begin(), table.end()}},
                                           {"tokenizer", orThrow(serialise(byteLevelVocabulary()))}};
    orThrow(orThrow(ArtefactWriter::begin(seeds.next(), image, sections, 64))->finish());
  }
}

void seedDescriptions(Seeds seeds) {
  seeds.add(TOY_DESCRIPTION);
  const Layout layout{64, {{PlaneRole::value, ElementType::f32, 0, {{Axis::column, 4, 32}, {Axis::row, 4, 128}}}}};
  seeds.add(tensorsToJson({{"blk.{}.attn_q.weight", "4x4, codes = f32", 2, 0, 64, 64, layout}}));
}

void seedGraphs(Seeds seeds) {
  seeds.add(R"({"format": 1, "functions": [{"name": "forward", "inputs": [0], "body": [
      {"op": "kv.positions", "at": "rope", "in": [], "out": [1]},
      {"loop": [0, 3], "layer": 2, "in": [0], "arguments": [3], "body": [
        {"op": "lm.linear", "at": "blk.{layer}.up", "in": [3], "out": [4], "probe": "probe.blk.up", "layer": [2, 0]},
        {"op": "kv.append", "at": "append", "in": [4], "out": [], "appends": {"slot": "k", "layer": [2, 1]}},
        {"op": "kv.attend", "at": "attend", "in": [4], "out": [5], "keys": {"slot": "k", "layer": [2, 1]},
         "values": {"slot": "v", "layer": 0}, "scale": 0.5, "softcap": 30, "window": 40}],
       "yield": [5], "out": [6]}], "outputs": [6]}]})");
}

void seedSteps(Seeds seeds) {
  StepTable table;
  table.ops = {{"lm.linear", "blk.{layer}.attn_q", StepRows::tokens, {"blk.{}.attn_q.weight"}},
               {"kv.attend", "blk.29.attention", StepRows::wanted, {}, "k", "v", 9, 4096},
               {.op = "lm.expert_linear", .place = "up", .weights = {"up"}, .chosen = 8, .experts = 128}};
  table.variants = {{"avx2", {{"cpu.qkv", {0, 2}}, {"cpu.attend", {1}}}}, {"any", {{"", {0, 1}}}}};
  seeds.add(stepsToJson(table));
}

void seedVocabularies(Seeds seeds) {
  for (const Vocabulary &vocabulary : {byteLevelVocabulary(), sentencePieceVocabulary()})
    seeds.add(orThrow(serialise(vocabulary)));
}

void seedTexts(Seeds seeds) {
  for (const std::string kind : {"\x00", "\x01", "\x06", "\x07"})
    for (const char *text : {"abc ab", "<tag>> <|end|>\xc3\xa9", "  \xe2\x96\x81 ab\n\t12 it's <chat>  x"})
      seeds.add((kind.empty() ? std::string(1, '\0') : kind) + text);
}

/// Packages that coremltools wrote: each kind of state, blocks, open dims. Small ones, in which a change is more
/// often one that matters.
void seedPackages(Seeds seeds) {
  for (const std::string name : {"accumulator", "cond_write", "e5_waw_exported", "int8_kv_ok", "ring_ok",
                                 "toy_kv_prefill_decode", "toy_torch_kv_dynamic"}) {
    const std::filesystem::path package =
        std::filesystem::path(KVASIR_COREML_CASES) / "packages" / (name + ".mlpackage");
    const std::filesystem::path data = package / "Data/com.apple.CoreML";
    seeds.add(test::PackageInput{readBytes(data / "model.mlmodel"), readBytes(data / "weights/weight.bin"),
                                 readBytes(package / "Manifest.json")}
                  .serialise());
  }
}

/// One tensor of each type in `types`, two rows of 256, and a vocabulary.
Bytes ggufFile() {
  // number and bytes of a row of 256: F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS, BF16,
  // MXFP4
  const std::pair<uint32_t, uint64_t> types[] = {{0, 1024}, {1, 512},  {2, 144},  {3, 160},  {6, 176},  {7, 192},
                                                 {8, 272},  {10, 84},  {11, 110}, {12, 144}, {13, 176}, {14, 210},
                                                 {20, 144}, {23, 136}, {30, 512}, {39, 136}};
  GgufBytes file;
  file.header(std::size(types), 6).u32("llama.block_count", 2);
  file.text("general.architecture").number(uint32_t(8)).text("llama");
  file.text("tokenizer.ggml.model").number(uint32_t(8)).text("gpt2");
  file.text("tokenizer.ggml.pre").number(uint32_t(8)).text("gpt-2");
  file.text("tokenizer.ggml.tokens").number(uint32_t(9)).number(uint32_t(8)).number(uint64_t(3));
  file.text("a").text("b").text("ab");
  file.text("tokenizer.ggml.merges").number(uint32_t(9)).number(uint32_t(8)).number(uint64_t(1)).text("a b");
  uint64_t offset = 0;
  for (const auto &[type, rowBytes] : types) {
    file.tensor("tensor." + std::to_string(type), {256, 2}, type, offset);
    offset = (offset + 2 * rowBytes + 31) / 32 * 32;
  }
  return file.align().zeros(offset).bytes;
}

} // namespace

int main(int argc, char **argv) try {
  if (argc < 2)
    return 2;
  const std::filesystem::path root = argv[1];
  std::filesystem::remove_all(root);
  seedPackages({root, "coreml"});
  seedDescriptions({root, "description"});
  seedGraphs({root, "graph"});
  Seeds(root, "gguf").add(ggufFile());
  seedStates({root, "kvstate"});
  seedPlugins({root, "plugin"}, {argv + 2, argv + argc});
  seedSteps({root, "steps"});
  seedTexts({root, "text"});
  seedVocabularies({root, "vocabulary"});
} catch (const std::exception &error) {
  std::cerr << "make_seeds: " << error.what() << "\n";
  return 1;
}
