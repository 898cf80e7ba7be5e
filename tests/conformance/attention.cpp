// SPDX-License-Identifier: MIT
#include "tests/conformance/attention.h"

#include <algorithm>
#include <cmath>

namespace conformance {
namespace {

constexpr double kUnit = 0x1p-24, kBf16 = 0x1p-8, kDeviations = 6;

/// Weights of the keys that a token sees, from row `first` on, and how far their scores may be off.
struct Weights {
  uint64_t first;
  std::vector<double> p;
  double error = 0;
};

Weights weigh(const AttentionShape &shape, uint64_t token, std::span<const float> query, std::span<const float> keys,
              uint64_t head, const float *sink, Stored stored) {
  const uint64_t first = shape.window && token + 1 > shape.window ? token + 1 - shape.window : 0;
  Weights weights{first, {}};
  double largest = -INFINITY, sum = 0;
  for (uint64_t row = first; row <= token; ++row) {
    double score = 0, magnitude = 0, squares = 0;
    for (uint64_t d = 0; d < shape.width; ++d) {
      const double product = double(query[d]) * keys[(row * shape.heads + head) * shape.width + d] * shape.scale();
      score += product;
      magnitude += std::abs(product);
      squares += product * product;
    }
    const double rounding = stored == Stored::bf16 ? kDeviations * std::sqrt(squares / 3) * kBf16 : 0;
    weights.error =
        std::max(weights.error, kDeviations * std::sqrt(double(shape.width)) * kUnit * magnitude + rounding);
    weights.p.push_back(shape.softcap ? shape.softcap * std::tanh(score / shape.softcap) : score);
    largest = std::max(largest, weights.p.back());
  }
  if (sink)
    sum += std::exp(*sink - largest);
  for (double &p : weights.p)
    sum += p = std::exp(p - largest);
  for (double &p : weights.p)
    p /= sum;
  return weights;
}

} // namespace

std::string AttentionShape::name() const {
  std::string text = "attend." + std::to_string(queryHeads) + "x" + std::to_string(heads) + "x" + std::to_string(width);
  if (window)
    text += ".window" + std::to_string(window);
  return text + (softcap ? ".softcap" : "") + (hasSinks ? ".sinks" : "");
}

double AttentionShape::scale() const { return 0.015625 * std::round(64 * 3 / std::sqrt(double(width))); }

std::string attentionProgram(const AttentionShape &shape) {
  const std::string g = std::to_string(shape.heads), d = std::to_string(shape.width);
  const std::string query = "tensor<?x" + std::to_string(shape.queryHeads) + "x" + d + "xf32>";
  const std::string rows = "tensor<?x" + g + "x" + d + "xf32>";
  const std::string h = std::to_string(shape.queryHeads), row = "tensor<1x" + h + "xf32>";
  const std::string sinks = "!lm.weight<" + h + ", codes = f32>";
  const std::string window = shape.window ? " window(" + std::to_string(shape.window) + ")" : "";
  std::string how = "{scale = " + std::to_string(shape.scale()) + " : f32";
  how += shape.window ? ", window = " + std::to_string(shape.window) + " : i64" : "";
  how += shape.softcap ? ", softcap = " + std::to_string(shape.softcap) + " : f32}" : "}";
  how.insert(1, shape.mask ? "mask = " + std::to_string(shape.mask) + " : i32, " : "");
  const std::string cache = " layers(2) heads(" + g + ") row(" + d + ")";
  std::string text = "module attributes {lm.model = {name = \"" + shape.name() +
                     "\", architecture = \"conformance\", context = 1024 : i64, vocabulary = 8 : i64}} {\n" +
                     (shape.hasSinks ? "lm.weight @sinks source(\"sinks\") : " + sinks + "\n" : "") +
                     "kv.schema @attention entries [@step] {\n  kv.cache @k" + cache + window + "\n  kv.cache @v" +
                     cache + window + " values(@k)\n}\nfunc.func @step(%query: " + query +
                     " {kv.name = \"query\"}, %keys: " + rows + " {kv.name = \"keys\"}, %values: " + rows +
                     " {kv.name = \"values\"},\n    %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch) -> (" +
                     query + " {kv.name = \"result\", kv.extents = \"T\"}, " + query +
                     " {kv.name = \"second\", kv.extents = \"T\"}, " +
                     (shape.hasSinks ? row + " {kv.name = \"sinks\"}, " : "") +
                     "!kv.slot<@k>, !kv.slot<@v>) {\n"
                     "  %c0 = arith.constant 0 : index\n  %c1 = arith.constant 1 : index\n";
  const auto append = [&](const char *next, const char *slot, const char *layer, const char *what, const char *type) {
    text += std::string("  %") + next + " = kv.append %" + slot + "[%" + layer + "], %" + what +
            ", %batch : !kv.slot<@" + type + ">, " + rows + "\n";
  };
  const auto attends = [&](const char *result, const char *keys, const char *values, const char *layer) {
    text += std::string("  %") + result + " = kv.attend %query, %" + keys + "[%" + layer + "], %" + values + "[%" +
            layer + "], %batch " + (shape.hasSinks ? "sinks %sinks " : "") + how + "\n    : " + query +
            ", !kv.slot<@k>, !kv.slot<@v>" + (shape.hasSinks ? ", " + sinks : "") + " -> " + query + "\n";
  };
  if (shape.hasSinks)
    text += "  %sinks = lm.select @sinks : " + sinks + "\n  %empty = tensor.empty() : " + row +
            "\n  %values_of_sinks = lm.dequantize %sinks rows(%c0) outs(%empty : " + row + ") : " + sinks + " -> " +
            row + "\n";
  append("k1", "k", "c0", "keys", "k");
  append("v1", "v", "c0", "values", "v");
  attends("result", "k1", "v1", "c0");
  append("k2", "k1", "c1", "values", "k");
  append("v2", "v1", "c1", "keys", "v");
  attends("second", "k2", "v2", "c1");
  return text + "  return %result, %second, " + (shape.hasSinks ? "%values_of_sinks, " : "") + "%k2, %v2 : " + query +
         ", " + query + (shape.hasSinks ? ", " + row : "") + ", !kv.slot<@k>, !kv.slot<@v>\n}\n}\n";
}

Expected attend(const AttentionShape &shape, uint64_t token, std::span<const float> query, std::span<const float> keys,
                std::span<const float> values, std::span<const float> sinks, Stored stored) {
  Expected expected;
  for (uint64_t h = 0; h < shape.queryHeads; ++h) {
    const uint64_t head = h / (shape.queryHeads / shape.heads);
    const Weights weights = weigh(shape, token, query.subspan(h * shape.width, shape.width), keys, head,
                                  sinks.empty() ? nullptr : &sinks[h], stored);
    const auto value = [&](size_t i, uint64_t d) {
      return double(values[((weights.first + i) * shape.heads + head) * shape.width + d]);
    };
    for (uint64_t d = 0; d < shape.width; ++d) {
      double sum = 0, magnitude = 0, squares = 0, spread = 0;
      for (size_t i = 0; i < weights.p.size(); ++i) {
        const double product = weights.p[i] * value(i, d);
        sum += product;
        magnitude += std::abs(product);
        squares += product * product;
      }
      for (size_t i = 0; i < weights.p.size(); ++i)
        spread += weights.p[i] * std::abs(value(i, d) - sum);
      double limit =
          2 * weights.error * spread + kUnit * magnitude * (4 + kDeviations * std::sqrt(weights.p.size() + 1.0));
      limit += stored == Stored::bf16 ? kDeviations * std::sqrt(squares / 3) * kBf16 : 0;
      expected.values.push_back(sum);
      expected.limits.push_back(limit + kUnit * std::abs(sum));
    }
  }
  return expected;
}

} // namespace conformance
