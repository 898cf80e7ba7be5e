// SPDX-License-Identifier: MIT
// A small llama model with random weights and a tokenizer, as the bytes of a GGUF file.
#ifndef KVASIR_TESTS_UNIT_SMALL_MODEL_H
#define KVASIR_TESTS_UNIT_SMALL_MODEL_H

#include "compiler/frontends/gguf/tensor_types.h"
#include "tests/unit/gguf_bytes.h"

#include <map>
#include <random>
#include <variant>

namespace kvasir {

/// Types of tensors as files number them.
inline constexpr uint32_t kF32 = 0, kF16 = 1, kQ4_0 = 2, kQ8_0 = 8, kIQ2_XXS = 16;

struct TensorFacts {
  std::vector<uint64_t> dims;
  uint32_t type;
};

/// A llama model of two layers, E = 64, H = 4, G = 2, F = 128, V = 96, to be changed before it is written.
struct SmallModel {
  using Value = std::variant<uint32_t, float, bool, std::string, std::vector<std::string>, std::vector<bool>>;
  std::map<std::string, Value> metadata{{"general.architecture", "llama"},
                                        {"llama.block_count", 2u},
                                        {"llama.context_length", 256u},
                                        {"llama.embedding_length", 64u},
                                        {"llama.feed_forward_length", 128u},
                                        {"llama.attention.head_count", 4u},
                                        {"llama.attention.head_count_kv", 2u},
                                        {"llama.attention.layer_norm_rms_epsilon", 1e-5f},
                                        {"llama.rope.freq_base", 10000.0f},
                                        {"tokenizer.ggml.model", "gpt2"},
                                        {"tokenizer.ggml.pre", "gpt-2"},
                                        {"tokenizer.ggml.eos_token_id", 90u},
                                        {"tokenizer.ggml.merges", std::vector<std::string>{"a b", "ab c"}}};
  std::map<std::string, TensorFacts> tensors{{"token_embd.weight", {{64, 96}, kQ8_0}},
                                             {"output_norm.weight", {{64}, kF32}}};

  SmallModel() {
    std::vector<std::string> tokens{"ab", "abc"};
    for (char c = 33; tokens.size() < 96; ++c)
      tokens.push_back(c < 127 ? std::string(1, c) : "[unused]");
    metadata["tokenizer.ggml.tokens"] = tokens;
    for (const char *layer : {"blk.0.", "blk.1."}) {
      auto add = [&](const char *name, std::vector<uint64_t> dims, uint32_t type) {
        tensors[std::string(layer) + name + ".weight"] = {std::move(dims), type};
      };
      add("attn_norm", {64}, kF32);
      add("attn_q", {64, 64}, kQ4_0);
      add("attn_k", {64, 32}, kQ4_0);
      add("attn_v", {64, 32}, kQ4_0);
      add("attn_output", {64, 64}, kQ4_0);
      add("ffn_norm", {64}, kF32);
      add("ffn_gate", {64, 128}, kQ4_0);
      add("ffn_up", {64, 128}, kQ4_0);
      add("ffn_down", {128, 64}, kQ4_0);
    }
  }

  /// Of another architecture: the same numbers under its prefix.
  static SmallModel of(const std::string &architecture) {
    SmallModel model;
    std::map<std::string, Value> renamed;
    for (const auto &[key, value] : model.metadata)
      renamed[key.starts_with("llama.") ? architecture + key.substr(5) : key] = value;
    renamed["general.architecture"] = architecture;
    model.metadata = std::move(renamed);
    return model;
  }

  /// What qwen3 and others have besides.
  SmallModel &addHeadNorms() {
    for (const char *name : {"blk.0.attn_q_norm.weight", "blk.0.attn_k_norm.weight", "blk.1.attn_q_norm.weight",
                             "blk.1.attn_k_norm.weight"})
      tensors[name] = {{16}, kF32};
    return *this;
  }

  /// What gemma2 and gemma3 have besides.
  SmallModel &addPostNorms() {
    for (std::string layer : {"blk.0.", "blk.1."})
      for (const char *name : {"post_attention_norm.weight", "post_ffw_norm.weight"})
        tensors[layer + name] = {{64}, kF32};
    return *this;
  }

  /// A mixture of 4 experts, of which a token takes 2.
  SmallModel &mix(const std::string &architecture) {
    metadata[architecture + ".expert_count"] = 4u;
    metadata[architecture + ".expert_used_count"] = 2u;
    metadata[architecture + ".expert_feed_forward_length"] = 128u;
    for (std::string layer : {"blk.0.", "blk.1."}) {
      for (const char *name : {"ffn_gate", "ffn_up", "ffn_down"}) {
        TensorFacts facts = tensors.extract(layer + name + ".weight").mapped();
        facts.dims.push_back(4);
        tensors[layer + name + "_exps.weight"] = facts;
      }
      tensors[layer + "ffn_gate_inp.weight"] = {{64, 4}, kF32};
    }
    return *this;
  }

  /// An expert, 32 wide, that all tokens take.
  SmallModel &share() {
    for (std::string layer : {"blk.0.", "blk.1."}) {
      tensors[layer + "ffn_gate_shexp.weight"] = tensors[layer + "ffn_up_shexp.weight"] = {{64, 32}, kQ8_0};
      tensors[layer + "ffn_down_shexp.weight"] = {{32, 64}, kQ8_0};
    }
    return *this;
  }

  /// So many layers, each with the tensors of the first.
  SmallModel &repeat(const std::string &architecture, uint32_t layers) {
    metadata[architecture + ".block_count"] = layers;
    for (const auto &[name, facts] : std::map(tensors))
      if (name.starts_with("blk.0."))
        for (uint32_t layer = 1; layer < layers; ++layer)
          tensors["blk." + std::to_string(layer) + name.substr(5)] = facts;
    return *this;
  }

  /// As phi3 has them: queries, keys and values in one tensor, gate and up in another.
  SmallModel &fuse() {
    for (std::string layer : {"blk.0.", "blk.1."}) {
      for (const char *name : {"attn_q.weight", "attn_k.weight", "attn_v.weight", "ffn_gate.weight"})
        tensors.erase(layer + name);
      tensors[layer + "attn_qkv.weight"] = {{64, 128}, kQ4_0};
      tensors[layer + "ffn_up.weight"] = {{64, 256}, kQ4_0};
    }
    return *this;
  }

  std::vector<uint8_t> bytes() const {
    GgufBytes file;
    file.header(tensors.size(), metadata.size());
    for (const auto &[key, value] : metadata) {
      file.text(key);
      if (auto *strings = std::get_if<std::vector<std::string>>(&value)) {
        file.number(uint32_t(9)).number(uint32_t(8)).number(uint64_t(strings->size()));
        for (const std::string &string : *strings)
          file.text(string);
      } else if (auto *flags = std::get_if<std::vector<bool>>(&value)) {
        file.number(uint32_t(9)).number(uint32_t(7)).number(uint64_t(flags->size()));
        for (bool flag : *flags)
          file.number(uint8_t(flag));
      } else if (auto *flag = std::get_if<bool>(&value))
        file.number(uint32_t(7)).number(uint8_t(*flag));
      else if (auto *number = std::get_if<uint32_t>(&value))
        file.number(uint32_t(4)).number(*number);
      else if (auto *real = std::get_if<float>(&value))
        file.number(uint32_t(6)).number(*real);
      else
        file.number(uint32_t(8)).text(std::get<std::string>(value));
    }
    uint64_t end = 0;
    for (const auto &[name, tensor] : tensors) {
      file.tensor(name, tensor.dims, tensor.type, end);
      const gguf::TensorType *type = gguf::findTensorType(tensor.type);
      uint64_t elements = 1;
      for (uint64_t dim : tensor.dims)
        elements *= dim;
      end += (elements / type->blockElements * type->blockBytes + 31) / 32 * 32;
    }
    size_t begin = file.align().bytes.size();
    file.zeros(end);
    std::mt19937 random(1);
    for (size_t i = begin; i < file.bytes.size(); ++i)
      file.bytes[i] = uint8_t(random());
    return file.bytes;
  }
};

} // namespace kvasir

#endif
