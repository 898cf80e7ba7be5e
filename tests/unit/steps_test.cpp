// SPDX-License-Identifier: MIT
// The section "steps": written, read, refused; and what a step is called.
#include "plugins/steps.h"
#include "runtime/profile/step_name.h"

#include <doctest/doctest.h>

using namespace kvasir;
using kvasir::runtime::profile::stepName;

namespace {

StepTable table() {
  StepTable table;
  table.ops = {{"lm.rms_norm", "blk.{layer}.attn_norm", StepRows::tokens, {"blk.{}.attn_norm.weight"}},
               {"lm.linear", "blk.{layer}.attn_q", StepRows::tokens, {"blk.{}.attn_q.weight"}},
               {"lm.linear", "blk.{layer}.attn_k", StepRows::tokens, {"blk.{}.attn_k.weight"}},
               {"kv.attend", "blk.29.attention", StepRows::wanted, {}, "k", "v", 9, 4096},
               {"lm.embedding", "token_embd"},
               {"lm.linear", "token_embd", StepRows::wanted, {"token_embd.weight"}},
               {"lm.rope_angles", "rope"},
               {"kv.set", "blk.{layer}.trail", StepRows::sequences},
               {.op = "lm.expert_linear",
                .place = "blk.{layer}.ffn_up_exps",
                .weights = {"blk.{}.ffn_up_exps.weight"},
                .chosen = 8,
                .experts = 128}};
  table.variants = {{"avx2", {{"cpu.qkv", {0, 1, 2}}, {"cpu.attend", {3}}}}, {"any", {{"", {6, 4}}}}};
  return table;
}

std::string nameOf(std::vector<uint32_t> ops, std::string kernel = "") {
  return stepName(table(), {std::move(kernel), std::move(ops)});
}

std::string refusal(const std::string &text) {
  const auto read = stepsFromJson(text);
  REQUIRE(!read);
  return read.message();
}

} // namespace

TEST_CASE("a table is read as it was written") {
  const auto read = stepsFromJson(stepsToJson(table()));
  REQUIRE(read);
  CHECK(*read == table());
  CHECK(*stepsFromJson(stepsToJson({})) == StepTable{});
}

TEST_CASE("what is no table is refused in one line that says where") {
  CHECK(refusal("x") == "steps: is no JSON text");
  CHECK(refusal("[]") == "steps: is no object");
  CHECK(refusal(R"({"format": 2, "ops": [], "variants": []})") == "steps.format: is 2, expected 1 to 1");
  CHECK(refusal(R"({"format": 1, "ops": [], "variants": [], "more": 0})") == "steps: has an unknown member 'more'");
  CHECK(refusal(R"({"format": 1, "ops": [{"op": "lm.linear", "at": "x", "rows": "columns"}], "variants": []})") ==
        "steps.ops[0].rows: is 'columns', expected one of tokens, wanted, sequences");
  CHECK(refusal(R"({"format": 1, "ops": [], "variants": [{"name": "a", "steps": [{"kernel": "", "ops": [0]}]}]})") ==
        "steps.variants[0].steps[0].ops: has the op 0 of 0");
  CHECK(refusal(R"({"format": 1, "ops": [{"op": "a", "at": "x", "rows": "tokens",
                    "attends": {"keys": "", "values": "v", "heads": 1, "window": 0}}], "variants": []})") ==
        "steps.ops[0].attends: names no slot");
  const auto reading = [](const std::string &reads) {
    return refusal(R"({"format": 1, "ops": [{"op": "a", "at": "x", "rows": "tokens", "reads": )" + reads +
                   R"(}], "variants": []})");
  };
  CHECK(reading(R"({"experts": 9, "of": 8})") == "steps.ops[0].reads.experts: is 9, expected 1 to 8");
  CHECK(reading(R"({"experts": 0, "of": 8})") == "steps.ops[0].reads.experts: is 0, expected 1 to 8");
  CHECK(reading(R"({"experts": 1, "of": 0})") == "steps.ops[0].reads.of: is 0, expected 1 to 1048576");
  CHECK(reading(R"({"experts": 1})") == "steps.ops[0].reads: has no member 'of'");
  CHECK(refusal(R"({"format": 1, "ops": [{"op": "a\nb", "at": "x", "rows": "tokens"}], "variants": []})") ==
        "steps.ops[0].op: has a control character");
}

TEST_CASE("a step is called by its matrices and its attention, layers by a star") {
  CHECK(nameOf({0, 1, 2}, "cpu.qkv") == "blk.*.attn_q+k");
  CHECK(nameOf({1}) == "blk.*.attn_q");
  CHECK(nameOf({3}) == "blk.*.attention");
  CHECK(nameOf({0}) == "blk.*.attn_norm");
  CHECK(nameOf({7}) == "blk.*.trail");
  CHECK(nameOf({0, 8}, "cpu.expert_gate") == "blk.*.ffn_up_exps");
  CHECK(nameOf({6, 4}) == "rope+embedding");
  CHECK(nameOf({5}, "cpu.linear") == "output (token_embd)");
  CHECK(nameOf({}, "cpu.linear") == "cpu.linear");
  CHECK(nameOf({}) == "unnamed");
}

TEST_CASE("a step of many ops is called by its first and its last") {
  StepTable many;
  CodeStep step;
  for (uint32_t i = 0; i < 9; ++i) {
    many.ops.push_back({"linalg.generic", "op_" + std::to_string(i)});
    step.ops.push_back(i);
  }
  CHECK(stepName(many, step) == "op_0 … op_8 (9 ops)");
  step.ops.resize(3);
  CHECK(stepName(many, step) == "op_0+1+2");
}
