// SPDX-License-Identifier: MIT
#include "backends/backend.h"
#include "compiler/packing/plan_weights.h"
#include "compiler/passes/group_ops.h"
#include "compiler/passes/pipeline.h"
#include "compiler/passes/registry.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

using namespace mlir;
using namespace kvasir;

#pragma clang diagnostic ignored "-Wreturn-type-c-linkage"
extern "C" std::unique_ptr<Backend> kvasir_make_backend();

namespace {

/// A decoder of two layers: E 64, H 4, G 2, D 16, F 96, V 70; the output is tied to the embedding.
const char *kDecoder = R"mlir(
module attributes {lm.model = {name = "tiny", architecture = "decoder", context = 256 : i64, vocabulary = 70 : i64}} {
  kv.schema @decoder entries [@forward] {
    kv.cache @k layers(2) heads(2) row(16) rotated(adjacent)
    kv.cache @v layers(2) heads(2) row(16) values(@k)
  }
  lm.weight @embedding source("token_embd.weight") : !lm.weight<70x64, codes = si8, group = 32, scale = f16>
  lm.weight @an family(2) source("blk.{}.attn_norm.weight") : !lm.weight<64, codes = f32>
  lm.weight @q family(2) source("blk.{}.attn_q.weight") : !lm.weight<64x64, codes = ui4, group = 32, scale = f16, min = f16>
  lm.weight @k_ family(2) source("blk.{}.attn_k.weight") : !lm.weight<32x64, codes = ui4, group = 32, scale = f16, min = f16>
  lm.weight @v_ family(2) source("blk.{}.attn_v.weight") : !lm.weight<32x64, codes = ui6, group = 16, scale = f32, zero = 32>
  lm.weight @vb family(2) source("blk.{}.attn_v.bias") : !lm.weight<32, codes = f32>
  lm.weight @o family(2) source("blk.{}.attn_output.weight") : !lm.weight<64x64, codes = ui4, group = 32, scale = f16, min = f16>
  lm.weight @fn family(2) source("blk.{}.ffn_norm.weight") : !lm.weight<64, codes = f32>
  lm.weight @gate family(2) source("blk.{}.ffn_gate.weight") : !lm.weight<96x64, codes = ui4, group = 32, scale = f16, zero = 8>
  lm.weight @up family(2) source("blk.{}.ffn_up.weight") : !lm.weight<96x64, codes = ui4, group = 32, scale = f16, zero = 8>
  lm.weight @down family(2) source("blk.{}.ffn_down.weight") : !lm.weight<64x96, codes = bf16>
  lm.weight @on source("output_norm.weight") : !lm.weight<64, codes = f32>
  func.func @forward(%ids: tensor<?xi32> {kv.name = "ids", kv.role = "ids"}, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
      -> (tensor<?x70xf32> {kv.name = "logits", kv.role = "logits"}, !kv.slot<@k>, !kv.slot<@v>) {
    %t = kv.tokens %batch
    %positions = kv.positions %batch : tensor<?xi64>
    %angles = lm.rope_angles %positions {frequencies = dense<0.5> : tensor<8xf64>, magnitude = 1.0 : f32} : tensor<?xi64> -> tensor<?x8x2xf32>
    %e = lm.select @embedding : !lm.weight<70x64, codes = si8, group = 32, scale = f16>
    %x0 = lm.embedding %ids, %e : tensor<?xi32>, !lm.weight<70x64, codes = si8, group = 32, scale = f16> -> tensor<?x64xf32>
    %x, %k9, %v9 = kv.loop %layer = 0 to 2 carry(%h = %x0, %ki = %k, %vi = %v) : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v> {
      %an = lm.select @an[%layer] : !lm.weight<64, codes = f32>
      %n = lm.rms_norm %h, %an {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !lm.weight<64, codes = f32>
      %wq = lm.select @q[%layer] : !lm.weight<64x64, codes = ui4, group = 32, scale = f16, min = f16>
      %q = lm.linear %n, %wq : tensor<?x64xf32>, !lm.weight<64x64, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<?x64xf32>
      %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [%t, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
      %wk = lm.select @k_[%layer] : !lm.weight<32x64, codes = ui4, group = 32, scale = f16, min = f16>
      %kr = lm.linear %n, %wk : tensor<?x64xf32>, !lm.weight<32x64, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<?x32xf32>
      %kh = tensor.expand_shape %kr [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
      %wv = lm.select @v_[%layer] : !lm.weight<32x64, codes = ui6, group = 16, scale = f32, zero = 32>
      %bv = lm.select @vb[%layer] : !lm.weight<32, codes = f32>
      %vr = lm.linear %n, %wv bias %bv : tensor<?x64xf32>, !lm.weight<32x64, codes = ui6, group = 16, scale = f32, zero = 32>, !lm.weight<32, codes = f32> -> tensor<?x32xf32>
      %vh = tensor.expand_shape %vr [[0], [1, 2]] output_shape [%t, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
      %qt = lm.rope %qh, %angles lanes(adjacent) : tensor<?x4x16xf32>, tensor<?x8x2xf32>
      %kt = lm.rope %kh, %angles lanes(adjacent) : tensor<?x2x16xf32>, tensor<?x8x2xf32>
      %k1 = kv.append %ki[%layer], %kt, %batch : !kv.slot<@k>, tensor<?x2x16xf32>
      %v1 = kv.append %vi[%layer], %vh, %batch : !kv.slot<@v>, tensor<?x2x16xf32>
      %a = kv.attend %qt, %k1[%layer], %v1[%layer], %batch {scale = 0.25 : f32} : tensor<?x4x16xf32>, !kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>
      %ac = tensor.collapse_shape %a [[0], [1, 2]] : tensor<?x4x16xf32> into tensor<?x64xf32>
      %wo = lm.select @o[%layer] : !lm.weight<64x64, codes = ui4, group = 32, scale = f16, min = f16>
      %o = lm.linear %ac, %wo : tensor<?x64xf32>, !lm.weight<64x64, codes = ui4, group = 32, scale = f16, min = f16> -> tensor<?x64xf32>
      %h1 = arith.addf %h, %o : tensor<?x64xf32>
      %fn = lm.select @fn[%layer] : !lm.weight<64, codes = f32>
      %m = lm.rms_norm %h1, %fn {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !lm.weight<64, codes = f32>
      %wg = lm.select @gate[%layer] : !lm.weight<96x64, codes = ui4, group = 32, scale = f16, zero = 8>
      %g = lm.linear %m, %wg : tensor<?x64xf32>, !lm.weight<96x64, codes = ui4, group = 32, scale = f16, zero = 8> -> tensor<?x96xf32>
      %wu = lm.select @up[%layer] : !lm.weight<96x64, codes = ui4, group = 32, scale = f16, zero = 8>
      %u = lm.linear %m, %wu : tensor<?x64xf32>, !lm.weight<96x64, codes = ui4, group = 32, scale = f16, zero = 8> -> tensor<?x96xf32>
      %s = lm.swiglu %g, %u : tensor<?x96xf32>
      %wd = lm.select @down[%layer] : !lm.weight<64x96, codes = bf16>
      %d = lm.linear %s, %wd : tensor<?x96xf32>, !lm.weight<64x96, codes = bf16> -> tensor<?x64xf32>
      %h2 = arith.addf %h1, %d : tensor<?x64xf32>
      kv.yield %h2, %k1, %v1 : tensor<?x64xf32>, !kv.slot<@k>, !kv.slot<@v>
    }
    %wanted = kv.wanted %batch : tensor<?xi32>
    %r = lm.take %x, %wanted : tensor<?x64xf32>, tensor<?xi32> -> tensor<?x64xf32>
    %on = lm.select @on : !lm.weight<64, codes = f32>
    %rn = lm.rms_norm %r, %on {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !lm.weight<64, codes = f32>
    %logits = lm.linear %rn, %e : tensor<?x64xf32>, !lm.weight<70x64, codes = si8, group = 32, scale = f16> -> tensor<?x70xf32>
    return %logits, %k9, %v9 : tensor<?x70xf32>, !kv.slot<@k>, !kv.slot<@v>
  }
}
)mlir";

/// How often each kernel is named in the general entry.
std::map<std::string, int> groupsOf(ModuleOp module) {
  std::map<std::string, int> counts;
  module.lookupSymbol<func::FuncOp>("forward").walk([&](kv::GroupOp group) { ++counts[group.getKernel().str()]; });
  return counts;
}

struct Compiled {
  std::unique_ptr<MLIRContext> context = std::make_unique<MLIRContext>();
  std::unique_ptr<Backend> backend = kvasir_make_backend();
  OwningOpRef<ModuleOp> module;
  std::vector<Variant> variants;

  explicit Compiled(std::string text, const BackendOptions &options = {std::nullopt, {"avx2", "avx512-bf16"}}) {
    DialectRegistry registry;
    registerDialects(registry);
    context->appendDialectRegistry(registry);
    variants = cantFail(backend->configure(options));
    module = parseSourceString<ModuleOp>(text, context.get());
    CHECK(module);
    PassManager passes(context.get());
    addProgramPasses(passes, *backend);
    CHECK(succeeded(passes.run(*module)));
    auto choose = [&](lm::WeightOp weight, ArrayRef<Operation *> users) {
      return backend->weightLayout(weight, users);
    };
    CHECK(succeeded(planWeights(*module, choose)));
  }

  /// Lowers a copy for one variant.
  OwningOpRef<ModuleOp> lower(const Variant &variant) {
    OwningOpRef<ModuleOp> copy = module->clone();
    PassManager passes(context.get());
    addTensorPasses(passes, *backend, variant);
    CHECK(succeeded(passes.run(*copy)));
    return copy;
  }
};

std::string replaced(std::string text, StringRef from, StringRef to) {
  size_t at = text.find(from);
  CHECK(at != std::string::npos);
  return text.replace(at, from.size(), to);
}
} // namespace

/// Nothing but rope's angles and what is wanted is left to its decomposition, and all variants can be made.
static void checkAllTaken(Compiled &compiled) {
  compiled.module->walk(
      [](lm::Decomposes op) { CHECK((isa<lm::RopeAnglesOp, lm::TakeOp>(*op) || op->getParentOfType<kv::GroupOp>())); });
  for (const Variant &variant : compiled.variants)
    CHECK(succeeded(verify(*compiled.lower(variant))));
}

TEST_CASE("a decoder becomes kernels, in every variant") {
  Compiled compiled(kDecoder);
  CHECK(groupsOf(*compiled.module) == std::map<std::string, int>{{"cpu.attend", 2},
                                                                 {"cpu.embedding", 1},
                                                                 {"cpu.gate_up", 2},
                                                                 {"cpu.linear", 1},
                                                                 {"cpu.linear_add", 4},
                                                                 {"cpu.qkv", 2}});
  for (const Variant &variant : compiled.variants) {
    OwningOpRef<ModuleOp> lowered = compiled.lower(variant);
    CHECK(succeeded(verify(*lowered)));
    int calls = 0;
    std::set<StringRef> kernels;
    lowered->walk([&](lm::InvokeOp invoke) { ++calls, kernels.insert(invoke.getKernel()); });
    CHECK(calls == 2 * (1 + 5 + 5 + 1));      // the embedding, the loop's layers, the last one, the head; of two forms
    CHECK(kernels.size() == 2 * (1 + 6 + 1)); // the last layer has its own attention only, of the wanted rows
  }
}

TEST_CASE("embeddings and linears take scales and caps, and a norm behind a linear takes the residual") {
  std::string text = replaced(kDecoder, "%x0 = lm.embedding", "%x00 = lm.embedding");
  text = replaced(text, "%x, %k9, %v9 = kv.loop",
                  "%x0 = lm.scale %x00 {factor = 8.0 : f32} : tensor<?x64xf32>\n"
                  "%x, %k9, %v9 = kv.loop");
  text =
      replaced(text, "%h1 = arith.addf %h, %o",
               "%pn = lm.rms_norm %o, %an {epsilon = 1.0e-05 : f32} : tensor<?x64xf32>, !lm.weight<64, codes = f32>\n"
               "%h1 = arith.addf %h, %pn");
  text = replaced(text, "lm.swiglu", "lm.geglu");
  text = replaced(text, "%h2 = arith.addf %h1, %d",
                  "%ds = lm.scale %d {factor = 0.5 : f32} : tensor<?x64xf32>\n%h2 = arith.addf %ds, %h1");
  text = replaced(text, "return %logits",
                  "%scaled = lm.scale %logits {factor = 0.5 : f32} : tensor<?x70xf32>\n"
                  "%capped = lm.softcap %scaled {cap = 30.0 : f32} : tensor<?x70xf32>\n"
                  "return %capped");
  Compiled compiled(text);
  CHECK(groupsOf(*compiled.module) == std::map<std::string, int>{{"cpu.attend", 2},
                                                                 {"cpu.embedding", 1},
                                                                 {"cpu.gate_up", 2},
                                                                 {"cpu.linear", 3},
                                                                 {"cpu.linear_add", 2},
                                                                 {"cpu.norm_add", 2},
                                                                 {"cpu.qkv", 2}});
  checkAllTaken(compiled);
}

/// The decoder with four experts of 96 in place of its feed-forward network, of which a token takes two.
static std::string withExperts() {
  constexpr const char *kGate = "codes = ui4, group = 32, scale = f16, zero = 8>";
  std::string text = replaced(kDecoder, "  func.func",
                              "  lm.weight @router family(2) source(\"blk.{}.ffn_gate_inp.weight\") : "
                              "!lm.weight<4x64, codes = f32>\n  func.func");
  for (const char *name : {"@gate", "@up", "@down"}) {
    std::string from = std::string("lm.weight ") + name + " family(2) source(\"blk.{}.ffn_" + (name + 1) + ".weight\")";
    const std::string shape = name == StringRef("@down") ? "64x96" : "96x64";
    const std::string all = name == StringRef("@down") ? "256x96" : "384x64";
    text = replaced(text, from + " : !lm.weight<" + shape, from + " : !lm.weight<" + all);
  }
  const size_t begin = text.find("%wg = lm.select"), end = text.find("%h2 = arith.addf");
  const std::string type = std::string("!lm.weight<384x64, ") + kGate;
  return text.substr(0, begin) +
         "%wr = lm.select @router[%layer] : !lm.weight<4x64, codes = f32>\n"
         "%r = lm.linear %m, %wr : tensor<?x64xf32>, !lm.weight<4x64, codes = f32> -> tensor<?x4xf32>\n"
         "%experts, %shares = lm.route %r of(chosen) : tensor<?x4xf32> -> tensor<?x2xi32>, tensor<?x2xf32>\n"
         "%wg = lm.select @gate[%layer] : " +
         type + "\n%g = lm.expert_linear %m, %wg of %experts : tensor<?x64xf32>, " + type +
         ", tensor<?x2xi32> -> tensor<?x192xf32>\n%wu = lm.select @up[%layer] : " + type +
         "\n%u = lm.expert_linear %m, %wu of %experts : tensor<?x64xf32>, " + type +
         ", tensor<?x2xi32> -> tensor<?x192xf32>\n%s = lm.swiglu %g, %u : tensor<?x192xf32>\n"
         "%wd = lm.select @down[%layer] : !lm.weight<256x96, codes = bf16>\n"
         "%p = lm.expert_linear %s, %wd of %experts : tensor<?x192xf32>, !lm.weight<256x96, codes = bf16>, "
         "tensor<?x2xi32> -> tensor<?x128xf32>\n"
         "%mixed = lm.mix %p, %shares : tensor<?x128xf32>, tensor<?x2xf32> -> tensor<?x64xf32>\n"
         "%d = lm.scale %mixed {factor = 0.5 : f32} : tensor<?x64xf32>\n" +
         text.substr(end);
}

TEST_CASE("experts of a route are kernels, and a norm that the router takes, too, is in both") {
  Compiled compiled(withExperts());
  CHECK(groupsOf(*compiled.module) == std::map<std::string, int>{{"cpu.attend", 2},
                                                                 {"cpu.embedding", 1},
                                                                 {"cpu.expert_gate", 2},
                                                                 {"cpu.expert_mix", 2},
                                                                 {"cpu.linear", 3},
                                                                 {"cpu.linear_add", 2},
                                                                 {"cpu.qkv", 2},
                                                                 {"cpu.route", 2}});
  checkAllTaken(compiled);

  // Of other experts nobody knows that they are in order.
  const std::string sorted = "%p = lm.expert_linear %s, %wd of %experts";
  std::string other = replaced(withExperts(), "of(chosen) : tensor<?x4xf32> -> tensor<?x2xi32>, tensor<?x2xf32>\n",
                               "of(chosen) : tensor<?x4xf32> -> tensor<?x2xi32>, tensor<?x2xf32>\n"
                               "%same = arith.addi %experts, %experts : tensor<?x2xi32>\n");
  other = replaced(other, sorted, "%p = lm.expert_linear %s, %wd of %same");
  std::map<std::string, int> groups = groupsOf(*Compiled(other).module);
  CHECK(groups["cpu.expert_gate"] == 2);
  CHECK(groups["cpu.expert_mix"] == 0);
}

TEST_CASE("queries, keys and values are one kernel where their weights round activations alike") {
  using Groups = std::map<std::string, int>;
  const Groups together{{"cpu.attend", 2}, {"cpu.embedding", 1},  {"cpu.gate_up", 2},
                        {"cpu.linear", 1}, {"cpu.linear_add", 4}, {"cpu.qkv", 2}};
  const Groups apart{
      {"cpu.attend", 2}, {"cpu.embedding", 1}, {"cpu.gate_up", 2}, {"cpu.linear", 7}, {"cpu.linear_add", 4}};
  const std::pair<const char *, Groups> cases[] = {{"codes = ui6, group = 32, scale = f32, zero = 32", together},
                                                   {"codes = bf16", apart}};
  for (const auto &[values, groups] : cases) {
    CAPTURE(values);
    std::string text = kDecoder;
    constexpr StringLiteral kValues = "codes = ui6, group = 16, scale = f32, zero = 32";
    for (size_t at; (at = text.find(kValues)) != std::string::npos;)
      text.replace(at, kValues.size(), values);
    Compiled compiled(text);
    CHECK(groupsOf(*compiled.module) == groups);
    for (const Variant &variant : compiled.variants)
      CHECK(succeeded(verify(*compiled.lower(variant))));
  }
}

/// The decoder with a norm of each head of `rows` ("qh"), whose weight is of such codes.
static std::string withHeadNorm(std::string text, const std::string &rows, int heads, const std::string &codes) {
  std::string type = "!lm.weight<16, codes = " + codes + ">", tensor = "tensor<?x" + std::to_string(heads) + "x16xf32>";
  text = replaced(text, "  func.func",
                  "  lm.weight @" + rows + "_norm family(2) source(\"blk.{}." + rows + "_norm.weight\") : " + type +
                      "\n  func.func");
  std::string norm = "%" + rows + "_weight = lm.select @" + rows + "_norm[%layer] : " + type + "\n      %" + rows +
                     " = lm.rms_norm %" + rows + "_linear, %" + rows + "_weight {epsilon = 1.0e-06 : f32} : " + tensor +
                     ", " + type + "\n      ";
  text = replaced(text, "%" + rows + " = tensor.expand_shape", "%" + rows + "_linear = tensor.expand_shape");
  return replaced(text, "%qt = lm.rope", norm + "%qt = lm.rope");
}

TEST_CASE("norms of heads are in the kernel of queries, keys and values") {
  const std::string normed = withHeadNorm(kDecoder, "qh", 4, "f32");
  const std::pair<std::string, int> cases[] = {
      {normed, 2},
      {withHeadNorm(kDecoder, "kh", 2, "f32"), 2},
      {withHeadNorm(withHeadNorm(normed, "kh", 2, "f32"), "vh", 2, "f32"), 2},
      {withHeadNorm(kDecoder, "qh", 4, "f16"), 0},
      {replaced(withHeadNorm(kDecoder, "vh", 2, "f32"), "lm.rope %kh,", "lm.rope %vh,"), 0}};
  for (const auto &[text, kernels] : cases) {
    CAPTURE(text);
    Compiled compiled(text);
    CHECK(groupsOf(*compiled.module)["cpu.qkv"] == kernels);
    int left = 0;
    compiled.module->lookupSymbol<func::FuncOp>("forward").walk(
        [&](lm::RmsNormOp norm) { left += !isGrouped(norm) && cast<RankedTensorType>(norm.getType()).getRank() == 3; });
    CHECK(left == (kernels ? 0 : 2));
    for (const Variant &variant : compiled.variants)
      CHECK(succeeded(verify(*compiled.lower(variant))));
  }
}

TEST_CASE("scales of f32 are packed in f16 where activations are rounded") {
  const std::pair<Activations, ElementType> cases[] = {{Activations::int8, ElementType::f16},
                                                       {Activations::bf16, ElementType::f16},
                                                       {Activations::exact, ElementType::f32}};
  for (auto [activations, element] : cases) {
    Compiled compiled(kDecoder, {activations, {"avx2"}});
    auto weight = compiled.module->lookupSymbol<lm::WeightOp>("v_");
    for (const Plane &plane : weight.getLayout()->getLayout().planes)
      CHECK((plane.role == PlaneRole::code || plane.element == element));
  }
}

TEST_CASE("what has no kernel is left to its decomposition") {
  std::string text = replaced(kDecoder, "%k1[%layer], %v1[%layer], %batch", "%kb, %vb, %batch");
  text = replaced(text, "%a = kv.attend",
                  "%kb = kv.borrow %k1[%layer] : !kv.slot<@k> -> !kv.view<@k>\n"
                  "      %vb = kv.borrow %v1[%layer] : !kv.slot<@v> -> !kv.view<@v>\n"
                  "      %a = kv.attend");
  text = replaced(text, "!kv.slot<@k>, !kv.slot<@v> -> tensor<?x4x16xf32>",
                  "!kv.view<@k>, !kv.view<@v> -> tensor<?x4x16xf32>");
  Compiled compiled(text);
  CHECK(groupsOf(*compiled.module).count("cpu.attend") == 0);
}
