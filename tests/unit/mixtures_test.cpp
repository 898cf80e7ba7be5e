// SPDX-License-Identifier: MIT
// Mixtures of experts, and what their architectures have besides: programs, and each way in which there can be none.
#include "tests/unit/model_compiler.h"

using namespace kvasir;

namespace {

SmallModel mixtureModel() { return SmallModel::of("qwen3moe").addHeadNorms().mix("qwen3moe"); }

} // namespace

TEST_CASE("experts lie one behind the other") {
  Compiler compiler;
  SmallModel model = mixtureModel();
  auto expect = [&](std::initializer_list<const char *> parts) {
    ModuleResult module = compiler.import(model.bytes());
    REQUIRE_MESSAGE(module, module.message());
    const std::string text = textOf(**module);
    for (const char *part : parts)
      CHECK_MESSAGE(contains(text, part), text);
  };
  expect({"@ffn_gate_inp family(2) source(\"blk.{}.ffn_gate_inp.weight\") : !lm.weight<4x64, codes = f32>",
          "@ffn_gate_exps family(2) source(\"blk.{}.ffn_gate_exps.weight\") : !lm.weight<512x64",
          "@ffn_down_exps family(2) source(\"blk.{}.ffn_down_exps.weight\") : !lm.weight<256x128",
          "of(chosen) : tensor<?x4xf32> -> tensor<?x2xi32>, tensor<?x2xf32>", "lm.mix"});
  model.metadata["qwen3moe.expert_weights_norm"] = false;
  expect({"of(all) :"});
  model.metadata["qwen3moe.expert_weights_scale"] = 2.5f;
  expect({"2.500000e+00 : f32"});
  model.metadata.erase("qwen3moe.expert_feed_forward_length"); // the chosen share the model's
  CHECK(compiler.import(model.bytes()).message() ==
        "tensor 'blk.0.ffn_gate_exps.weight' is 512 x 64; 256 x 64 is expected");
}

TEST_CASE("a mixture that can't be built is said in one line") {
  Compiler compiler;
  auto error = [&](const std::function<void(SmallModel &)> &change) {
    return compiler.error([&](SmallModel &model) { change(model = mixtureModel()); });
  };
  auto errorOf = [&](const char *name, SmallModel::Value value) {
    return error([&](SmallModel &m) { m.metadata[std::string("qwen3moe.") + name] = value; });
  };
  CHECK(errorOf("expert_used_count", 5u) == "5 experts can't be chosen of 4");
  CHECK(errorOf("expert_count", 0u) == "metadata 'qwen3moe.expert_count' is 0; a positive integer is expected");
  CHECK(errorOf("expert_used_count", 0u) ==
        "metadata 'qwen3moe.expert_used_count' is 0; a positive integer is expected");
  CHECK(errorOf("expert_count", 2147483647u) ==
        "tensor 'blk.0.ffn_gate_inp.weight' is 4 x 64; 2147483647 x 64 is expected");
  CHECK(errorOf("expert_feed_forward_length", 2147483647u) ==
        "tensor 'blk.0.ffn_gate_exps.weight' is 512 x 64; 8589934588 x 64 is expected");
  CHECK(errorOf("expert_gating_func", 2u) == "the experts' shares are no softmax, which is all that is built here");
  CHECK(error([](SmallModel &m) { m.tensors["blk.1.ffn_up_exps.weight"].dims = {64, 128, 3}; }) ==
        "tensor 'blk.1.ffn_up_exps.weight' is 384 x 64; 512 x 64 is expected");
  CHECK(error([](SmallModel &m) { m.tensors.erase("blk.1.ffn_gate_inp.weight"); }) ==
        "there is no tensor 'blk.1.ffn_gate_inp.weight'");
}

TEST_CASE("an expert that all tokens take is there where the file says so") {
  Compiler compiler;
  SmallModel model = SmallModel::of("granitemoe").mix("granitemoe");
  model.metadata["granitemoe.logit_scale"] = 8.0f;
  CHECK(!contains(textOf(**compiler.import(model.bytes())), "shexp"));
  model.metadata["granitemoe.expert_shared_feed_forward_length"] = 32u;
  CHECK(compiler.import(model.bytes()).message() == "there is no tensor 'blk.0.ffn_gate_shexp.weight'");
  model.share();
  ModuleResult module = compiler.import(model.bytes());
  REQUIRE_MESSAGE(module, module.message());
  CHECK(contains(textOf(**module), "@ffn_down_shexp family(2) source(\"blk.{}.ffn_down_shexp.weight\") : "
                                   "!lm.weight<64x32"));

  SmallModel weighed = SmallModel::of("qwen2moe").mix("qwen2moe").share();
  weighed.metadata["qwen2moe.expert_shared_feed_forward_length"] = 32u;
  CHECK(compiler.import(weighed.bytes()).message() == "there is no tensor 'blk.0.ffn_gate_inp_shexp.weight'");
  weighed.tensors["blk.0.ffn_gate_inp_shexp.weight"] =
      weighed.tensors["blk.1.ffn_gate_inp_shexp.weight"] = {{64}, kF32};
  module = compiler.import(weighed.bytes());
  REQUIRE_MESSAGE(module, module.message());
  CHECK(contains(textOf(**module), "!lm.weight<1x64, codes = f32> -> tensor<?x1xf32>"));
}

TEST_CASE("norms are of all heads together where the architecture says so") {
  Compiler compiler;
  SmallModel model = SmallModel::of("olmoe").mix("olmoe");
  for (std::string layer : {"blk.0.", "blk.1."}) {
    model.tensors[layer + "attn_q_norm.weight"] = {{64}, kF32};
    model.tensors[layer + "attn_k_norm.weight"] = {{32}, kF32};
  }
  ModuleResult module = compiler.import(model.bytes());
  REQUIRE_MESSAGE(module, module.message());
  const std::string text = textOf(**module);
  for (const char *part :
       {"tensor<?x64xf32>, !lm.weight<64, codes = f32>", "tensor<?x32xf32>, !lm.weight<32, codes = f32>", "of(all) :"})
    CHECK_MESSAGE(contains(text, part), text);
}
