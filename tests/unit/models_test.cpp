// SPDX-License-Identifier: MIT
// From GGUF bytes to a program: the graph, its weights and their plan; each way in which a model can't be built.
#include "compiler/models/rope_scaling.h"
#include "compiler/packing/plan_weights.h"
#include "tests/unit/damage.h"
#include "tests/unit/model_compiler.h"

#include <doctest/doctest.h>

#include <set>

using namespace kvasir;

namespace {

/// Of gemma3, with a window of 100 rows.
SmallModel slidingModel() {
  SmallModel model = SmallModel::of("gemma3").addHeadNorms().addPostNorms();
  model.metadata["gemma3.attention.sliding_window"] = 100u;
  return model;
}

} // namespace

TEST_CASE("a model becomes one loop over its layers") {
  Compiler compiler;
  ModuleResult module = compiler.import(SmallModel().bytes());
  REQUIRE_MESSAGE(module, module.message());
  std::string text = textOf(**module);
  for (const char *part : {"architecture = \"llama\"", "context = 256 : i64", "name = \"tiny\"",
                           "vocabulary = 96 : i64", "kv.schema @llama entries [@forward]",
                           "kv.cache @k layers(2) heads(2) row(16) serves([0], [1]) rotated(adjacent) by([@attn_k])",
                           "kv.cache @v layers(2) heads(2) row(16) values(@k) by([@attn_v])",
                           "lm.weight @attn_k family(2) source(\"blk.{}.attn_k.weight\") : "
                           "!lm.weight<32x64, codes = ui4, group = 32, scale = f16, zero = 8>",
                           "lm.weight @output_norm source(\"output_norm.weight\") : !lm.weight<64, codes = f32>",
                           "(tensor<?x96xf32> {kv.name = \"logits\", kv.role = \"logits\"}", "= 0 to 2 carry("})
    CHECK_MESSAGE(contains(text, part), part);
  CHECK(!contains(text, "@output source"));
  CHECK(contains(textOf(**module, true), "loc(\"blk.{layer}.attn_q\")"));
}

TEST_CASE("one layer is no family") {
  Compiler compiler;
  SmallModel model;
  model.metadata["llama.block_count"] = 1u;
  std::erase_if(model.tensors, [](const auto &entry) { return entry.first.starts_with("blk.1."); });
  ModuleResult module = compiler.import(model.bytes());
  REQUIRE_MESSAGE(module, module.message());
  CHECK(contains(textOf(**module), "lm.select @attn_q :"));
}

TEST_CASE("biases, a separate output and layers of different formats") {
  Compiler compiler;
  SmallModel model;
  model.tensors["output.weight"] = {{64, 96}, kF16};
  for (const char *layer : {"blk.0.", "blk.1."})
    model.tensors[std::string(layer) + "attn_q.bias"] = {{64}, kF32};
  model.tensors["blk.1.ffn_down.weight"].type = kQ8_0;
  ModuleResult module = compiler.import(model.bytes());
  REQUIRE_MESSAGE(module, module.message());
  std::string text = textOf(**module);
  CHECK(contains(text, "lm.weight @output source(\"output.weight\") : !lm.weight<96x64, codes = f16>"));
  CHECK(contains(text, "lm.weight @attn_q_bias family(2)"));
  CHECK(contains(text, "%attn_q bias %attn_q_bias"));
  const std::string q4 = "!lm.weight<64x128, codes = ui4, group = 32, scale = f16, zero = 8>",
                    q8 = "!lm.weight<64x128, codes = si8, group = 32, scale = f16>";
  CHECK(contains(text, "lm.weight @ffn_down family(2) members([" + q4 + ", " + q8 +
                           "]) source(\"blk.{}.ffn_down.weight\") : " + q8));
}

TEST_CASE("what can't be built is said in one line") {
  Compiler compiler;
  CHECK(compiler.error([](SmallModel &m) { m.metadata["general.architecture"] = "mamba"; })
            .starts_with("architecture 'mamba' is not known; known are: "));
  CHECK(compiler.error([](SmallModel &m) { m.metadata.erase("general.architecture"); }) ==
        "metadata 'general.architecture' is missing or no string");
  CHECK(compiler.error([](SmallModel &m) { m.metadata.erase("llama.block_count"); }) ==
        "metadata 'llama.block_count' is missing; a positive integer is expected");
  CHECK(compiler.error([](SmallModel &m) { m.metadata["llama.block_count"] = 0u; }) ==
        "metadata 'llama.block_count' is 0; a positive integer is expected");
  CHECK(contains(compiler.error([](SmallModel &m) { m.metadata["llama.block_count"] = 2000000000u; }),
                 "the file says that it has 2000000000 layers; it has "));
  CHECK(compiler.error([](SmallModel &m) { m.metadata["llama.attention.head_count_kv"] = 3u; }) ==
        "4 query heads can't share 3 key heads evenly");
  CHECK(compiler.error([](SmallModel &m) { m.metadata["llama.rope.dimension_count"] = 18u; }) ==
        "rope can't turn 18 lanes of heads 16 wide");
  CHECK(compiler.error([](SmallModel &m) { m.metadata["llama.rope.scaling.type"] = "spiral"; }) ==
        "rope is scaled in a way that is not known: 'spiral'; none, linear, longrope and yarn are");
  CHECK(compiler.error([](SmallModel &m) { m.metadata["llama.rope.scaling.type"] = "longrope"; }) ==
        "rope is scaled by 'longrope', and there is no tensor 'rope_factors_long.weight'");
  CHECK(compiler.error([](SmallModel &m) { m.metadata["llama.expert_count"] = 8u; }) ==
        "metadata 'llama.expert_used_count' is missing; a positive integer is expected");
  CHECK(compiler.error([](SmallModel &m) { m.tensors.erase("blk.1.ffn_up.weight"); }) ==
        "there is no tensor 'blk.1.ffn_up.weight'");
  CHECK(compiler.error([](SmallModel &m) { m.tensors["blk.0.attn_k.weight"].dims = {64, 64}; }) ==
        "tensor 'blk.0.attn_k.weight' is 64 x 64; 32 x 64 is expected");
  CHECK(compiler.error([](SmallModel &m) { m.tensors["blk.0.attn_q_norm.weight"] = {{16}, kF32}; }) ==
        "tensor 'blk.0.attn_q_norm.weight' has no place in the architecture llama as it is built here");
  CHECK(compiler.error([](SmallModel &m) { m.tensors["blk.0.attn_q.bias"] = {{64}, kF32}; }) ==
        "there is no tensor 'blk.1.attn_q.bias'");
  CHECK(contains(compiler.error([](SmallModel &m) { m.tensors["blk.0.attn_q.weight"] = {{256, 16}, kIQ2_XXS}; }),
                 "tensor 'blk.0.attn_q.weight' has type IQ2_XXS (16), which is not read yet"));
}

TEST_CASE("1000 damaged models are built or refused in one line") {
  Compiler compiler;
  std::mt19937 random(2);
  const std::vector<uint8_t> models[] = {SmallModel().bytes(),
                                         SmallModel::of("phi3").fuse().bytes(),
                                         SmallModel::of("qwen3").addHeadNorms().bytes(),
                                         SmallModel::of("smollm3").bytes(),
                                         slidingModel().bytes(),
                                         SmallModel::of("qwen3moe").addHeadNorms().mix("qwen3moe").bytes()};
  for (int i = 0; i < 1000; ++i) {
    ModuleResult module = compiler.import(damaged(models[i % std::size(models)], random));
    if (!module)
      REQUIRE(module.message().find('\n') == std::string::npos);
  }
}

TEST_CASE("heads have norms where the architecture says so") {
  Compiler compiler;
  ModuleResult module = compiler.import(SmallModel::of("qwen3").addHeadNorms().bytes());
  REQUIRE_MESSAGE(module, module.message());
  CHECK(contains(textOf(**module), "lm.weight @attn_q_norm family(2) source(\"blk.{}.attn_q_norm.weight\")"));
  CHECK(contains(textOf(**module), "tensor<?x4x16xf32>, !lm.weight<16, codes = f32>"));
  module = compiler.import(SmallModel::of("qwen3").bytes());
  CHECK(module.message() == "there is no tensor 'blk.0.attn_q_norm.weight'");
}

TEST_CASE("weights that lie in one tensor are its rows") {
  Compiler compiler;
  SmallModel model = SmallModel::of("phi3").fuse();
  model.metadata["phi3.attention.sliding_window"] = 100u;
  ModuleResult module = compiler.import(model.bytes());
  REQUIRE_MESSAGE(module, module.message());
  const std::string text = textOf(**module);
  for (const char *part : {"@attn_q family(2) source(\"blk.{}.attn_qkv.weight[0:64]\") : !lm.weight<64x64",
                           "@attn_k family(2) source(\"blk.{}.attn_qkv.weight[64:96]\") : !lm.weight<32x64",
                           "@attn_v family(2) source(\"blk.{}.attn_qkv.weight[96:128]\") : !lm.weight<32x64",
                           "@ffn_gate family(2) source(\"blk.{}.ffn_up.weight[0:128]\") : !lm.weight<128x64",
                           "@ffn_up family(2) source(\"blk.{}.ffn_up.weight[128:256]\") : !lm.weight<128x64",
                           "kv.cache @k layers(2) heads(2) row(16) window(100)", "window = 100"})
    CHECK_MESSAGE(contains(text, part), part);
  model.metadata["phi3.attention.sliding_window"] = 256u; // all of the context
  CHECK(!contains(textOf(**compiler.import(model.bytes())), "window"));

  model.tensors["blk.1.attn_qkv.weight"].dims = {64, 96};
  CHECK(compiler.import(model.bytes()).message() == "tensor 'blk.1.attn_qkv.weight' has 96 rows; 128 are expected");
  model.tensors["blk.1.attn_qkv.weight"].dims = {64, 160};
  CHECK(compiler.import(model.bytes()).message() == "tensor 'blk.1.attn_qkv.weight' is 160 x 64; 128 x 64 is expected");
}

TEST_CASE("layers of two kinds take turns, and kinds that no layer is of are left out") {
  Compiler compiler;
  SmallModel model = SmallModel::of("smollm3");
  CHECK(!contains(textOf(**compiler.import(model.bytes())), "@k_nope"));
  ModuleResult module = compiler.import(model.repeat("smollm3", 11).bytes());
  REQUIRE_MESSAGE(module, module.message());
  const std::string text = textOf(**module);
  for (const char *part :
       {"kv.cache @k layers(9) heads(2) row(16) serves([0], [1], [2], [4], [5], [6], [8], [9], [10])",
        "kv.cache @k_nope layers(2) heads(2) row(16) serves([3], [7]) by", "= 0 to 2 carry("})
    CHECK_MESSAGE(contains(text, part), part);
}

TEST_CASE("layers that slide take turns with those that see all") {
  Compiler compiler;
  SmallModel model = slidingModel().repeat("gemma3", 14);
  auto expectKinds = [&](const std::string &full, const std::string &sliding) {
    ModuleResult module = compiler.import(model.bytes());
    REQUIRE_MESSAGE(module, module.message());
    const std::string text = textOf(**module);
    CHECK_MESSAGE(contains(text, "heads(2) row(16) serves(" + full + ") rotated"), text);
    CHECK_MESSAGE(contains(text, "heads(2) row(16) window(100) serves(" + sliding + ") rotated"), text);
  };
  expectKinds("[5], [11]", "[0], [1], [2], [3], [4], [6], [7], [8], [9], [10], [12], [13]");
  model.metadata["gemma3.attention.sliding_window_pattern"] = 3u;
  expectKinds("[2], [5], [8], [11]", "[0], [1], [3], [4], [6], [7], [9], [10], [12], [13]");
  std::vector<bool> flags(14, true);
  flags[0] = flags[1] = flags[4] = flags[5] = flags[8] = flags[9] = flags[12] = flags[13] = false;
  model.metadata["gemma3.attention.sliding_window_pattern"] = flags;
  expectKinds("[0], [1], [4], [5], [8], [9], [12], [13]", "[2], [3], [6], [7], [10], [11]");

  model.metadata["gemma3.attention.sliding_window_pattern"] = std::vector<bool>(13, true);
  CHECK(contains(compiler.import(model.bytes()).message(), "a flag for each layer is expected"));
  model.metadata["gemma3.attention.sliding_window_pattern"] = 65u;
  CHECK(contains(compiler.import(model.bytes()).message(), "64 layers at most is expected"));
  model.metadata["gemma3.attention.sliding_window_pattern"] = 2u;
  model.metadata["gemma3.attention.sliding_window"] = 0u; // all see all
  CHECK(!contains(textOf(**compiler.import(model.bytes())), "window"));
  model.metadata["gemma3.final_logit_softcapping"] = -1.0f;
  CHECK(contains(compiler.import(model.bytes()).message(), "no less than 0 is expected"));
}

TEST_CASE("a file that says nothing has the architecture's window and caps") {
  Compiler compiler;
  SmallModel model = SmallModel::of("gemma2").addPostNorms();
  model.metadata["gemma2.context_length"] = 8192u;
  ModuleResult module = compiler.import(model.bytes());
  REQUIRE_MESSAGE(module, module.message());
  const std::string text = textOf(**module);
  for (const char *part : {"window(4096) serves([0])", "softcap = 5.000000e+01 : f32", "cap = 3.000000e+01 : f32"})
    CHECK_MESSAGE(contains(text, part), text);
  for (const char *name : {"attn_logit_softcapping", "final_logit_softcapping"})
    model.metadata[std::string("gemma2.") + name] = 0.0f;
  CHECK(!contains(textOf(**compiler.import(model.bytes())), "cap = "));
}

TEST_CASE("what results depend on besides tensors is in the configuration") {
  Compiler compiler;
  auto configuration = [&](const SmallModel &model) {
    ModuleResult module = compiler.import(model.bytes());
    REQUIRE_MESSAGE(module, module.message());
    auto facts = (**module)->getAttrOfType<mlir::DictionaryAttr>("lm.model");
    return facts.getAs<mlir::StringAttr>("configuration").str();
  };
  std::set<std::string> seen;
  auto expectAnother = [&](const SmallModel &model) {
    CHECK_MESSAGE(seen.insert(configuration(model)).second, configuration(model));
  };
  SmallModel sliding = slidingModel(), scaled = SmallModel::of("granite");
  expectAnother(sliding);
  for (const char *name : {"attention.sliding_window", "attention.sliding_window_pattern"}) {
    sliding.metadata[std::string("gemma3.") + name] = 1u;
    expectAnother(sliding);
  }
  for (const char *name :
       {"attn_logit_softcapping", "final_logit_softcapping", "rope.freq_base", "attention.layer_norm_rms_epsilon"}) {
    sliding.metadata[std::string("gemma3.") + name] = 30.0f;
    expectAnother(sliding);
  }
  scaled.metadata["granite.logit_scale"] = 8.0f;
  expectAnother(scaled);
  for (const char *name : {"logit_scale", "embedding_scale", "residual_scale", "attention.scale"}) {
    scaled.metadata[std::string("granite.") + name] = 0.5f;
    expectAnother(scaled);
  }
  scaled.metadata["granite.rope.scaling.finetuned"] = false;
  expectAnother(scaled);
}

TEST_CASE("weights are planned one after the other, one copy each") {
  Compiler compiler;
  ModuleResult module = compiler.import(SmallModel().bytes());
  REQUIRE_MESSAGE(module, module.message());
  std::map<std::string, size_t> numUsers;
  auto choose = [&](lm::WeightOp weight, llvm::ArrayRef<mlir::Operation *> users) {
    numUsers[weight.getSymName().str()] = users.size();
    return plainLayout(llvm::cast<lm::WeightType>(weight.getType()));
  };
  mlir::FailureOr<uint64_t> size = planWeights(**module, choose);
  REQUIRE(mlir::succeeded(size));
  CHECK(numUsers["token_embd"] == 2);
  CHECK(numUsers["attn_q"] == 1);
  uint64_t end = 0;
  for (const WeightTensor &tensor : weightTensors(**module)) {
    CHECK(tensor.offsetBytes == end);
    CHECK(tensor.strideBytes % 64 == 0);
    end += tensor.layers * tensor.strideBytes;
  }
  CHECK(end == *size);
  CHECK(weightTensors(**module).front().type == "96x64, codes = si8, group = 32, scale = f16");
  REQUIRE(mlir::succeeded(mlir::verify(**module)));
}

namespace {

RopeAngles anglesOf(const std::function<void(SmallModel &)> &change) {
  SmallModel model;
  change(model);
  std::vector<uint8_t> bytes = model.bytes();
  Result<gguf::File> file = gguf::File::parse(bytes);
  REQUIRE_MESSAGE(file, file.message());
  class NoWeights : public WeightSource {
    Result<SourceTensor> find(std::string_view) const override { return Failure{"none"}; }
    bool contains(std::string_view) const override { return false; }
    std::vector<std::string_view> names() const override { return {}; }
  } none;
  Configuration configuration(*file, "llama");
  RopeAngles angles = readRopeAngles(configuration, none, 64, 8192);
  CHECK(!configuration.failure());
  return angles;
}

} // namespace

TEST_CASE("rope's frequencies") {
  RopeAngles plain = anglesOf([](SmallModel &) {});
  CHECK(plain.frequencies.size() == 32);
  CHECK(plain.frequencies[0] == 1.0);
  CHECK(plain.frequencies[16] == doctest::Approx(0.01));
  CHECK(plain.magnitude == 1.0f);

  RopeAngles linear = anglesOf([](SmallModel &m) { m.metadata["llama.rope.scaling.factor"] = 4.0f; });
  CHECK(linear.frequencies[0] == 0.25);

  RopeAngles none = anglesOf([](SmallModel &m) {
    m.metadata["llama.rope.scaling.factor"] = 4.0f;
    m.metadata["llama.rope.scaling.type"] = "none";
  });
  CHECK(none.frequencies == plain.frequencies);
}

TEST_CASE("yarn keeps fast pairs, interpolates slow ones, and raises the magnitude") {
  RopeAngles plain = anglesOf([](SmallModel &) {});
  RopeAngles yarn = anglesOf([](SmallModel &m) {
    m.metadata["llama.rope.scaling.factor"] = 4.0f;
    m.metadata["llama.rope.scaling.type"] = "yarn";
    m.metadata["llama.rope.scaling.original_context_length"] = 2048u;
  });
  CHECK(yarn.magnitude == doctest::Approx(1.1386294361));
  CHECK(yarn.frequencies[0] == 1.0);
  CHECK(yarn.frequencies[8] == plain.frequencies[8]);       // floor(64 ln(2048 / (32 2 pi)) / (2 ln 10000)) = 8
  CHECK(yarn.frequencies[21] == plain.frequencies[21] / 4); // ceil(64 ln(2048 / (2 pi)) / (2 ln 10000)) = 21
  CHECK(yarn.frequencies[14] == doctest::Approx(plain.frequencies[14] * (6.0 / 13 / 4 + 7.0 / 13)));
}
