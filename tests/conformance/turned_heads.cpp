// SPDX-License-Identifier: MIT
#include "tests/conformance/turned_heads.h"

#include <cmath>
#include <regex>

namespace conformance {
namespace {

using std::string;

struct Shape {
  int heads, keyHeads, width, turned;
  bool hasBias;
  const char *rounds = "";   ///< what rows are rounded to
  const char *norms = "";    ///< which of q, k and v have a norm of each head
  const char *codes = "f16"; ///< of matrices
};

// Backends round activations for them, and may have kernels of their own for many rows.
constexpr const char *kNarrow = "ui4, group = 32, scale = f16, min = f16";

// Widths of half a tile of 32, one, one and a half, two, two and a half, three, four, eight; all lanes turned or the
// first of them, with partners at half a register, a register, a tile and in between.
constexpr Shape kShapes[] = {{4, 2, 16, 16, false},
                             {2, 1, 32, 16, true},
                             {2, 2, 48, 32, true, " rounds(f16)"},
                             {3, 1, 64, 64, false, " rounds(f16)"},
                             {2, 1, 64, 32, true},
                             {4, 2, 80, 80, true},
                             {1, 1, 128, 128, true},
                             {4, 2, 16, 16, false, "", "qk"},
                             {3, 1, 64, 64, false, "", "qk", kNarrow},
                             {4, 2, 80, 32, true, " rounds(f16)", "qk"},
                             {2, 1, 96, 96, true, "", "qkv"},
                             {2, 1, 128, 64, false, " rounds(f16)", "q", kNarrow},
                             {1, 1, 256, 256, true, "", "k"}};

constexpr const char *kProgram = R"mlir(
!embed = !lm.weight<96x64, codes = f16>
!query = !lm.weight<$QUERYx64, codes = $CODES>
!key = !lm.weight<$KEYx64, codes = $CODES>
!output = !lm.weight<64x$QUERY, codes = $CODES>
!vector = !lm.weight<64, codes = f32>
!query_bias = !lm.weight<$QUERY, codes = f32>
!key_bias = !lm.weight<$KEY, codes = f32>
!head = !lm.weight<$WIDTH, codes = f32>
!rows = tensor<?x64xf32>
!angles = tensor<?x$PAIRSx2xf32>
!queries = tensor<?x$HEADSx$WIDTHxf32>
!keys = tensor<?x$KEYHEADSx$WIDTHxf32>
module attributes {lm.model = {name = "heads", architecture = "heads", context = 1024 : i64, vocabulary = 96 : i64}} {
kv.schema @heads entries [@forward] {
  kv.cache @k layers(2) heads($KEYHEADS) row($WIDTH) serves([0], [1]) rotated($ORDER) by([@wk])$ROUNDS
  kv.cache @v layers(2) heads($KEYHEADS) row($WIDTH) values(@k) by([@wv])$ROUNDS
}
lm.weight @embed source("embed.weight") : !embed
lm.weight @norm family(2) source("{}.norm.weight") : !vector
lm.weight @wq family(2) source("{}.q.weight") : !query
lm.weight @wk family(2) source("{}.k.weight") : !key
lm.weight @wv family(2) source("{}.v.weight") : !key
lm.weight @bq family(2) source("{}.q.bias") : !query_bias
lm.weight @bk family(2) source("{}.k.bias") : !key_bias
lm.weight @nq family(2) source("{}.q_norm.weight") : !head
lm.weight @nk family(2) source("{}.k_norm.weight") : !head
lm.weight @nv family(2) source("{}.v_norm.weight") : !head
lm.weight @wo family(2) source("{}.o.weight") : !output
func.func @forward(%ids: tensor<?xi32> {kv.name = "ids", kv.role = "ids"}, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch)
    -> (tensor<?x96xf32> {kv.name = "logits", kv.role = "logits"}, !kv.slot<@k>, !kv.slot<@v>) {
  %t = kv.tokens %batch
  %positions = kv.positions %batch : tensor<?xi64>
  %angles = lm.rope_angles %positions {frequencies = dense<[$FREQUENCIES]> : tensor<$PAIRSxf64>} : tensor<?xi64> -> !angles
  %embed = lm.select @embed : !embed
  %x = lm.embedding %ids, %embed : tensor<?xi32>, !embed -> !rows
  %y, %kn, %vn = kv.loop %layer = 0 to 2 carry(%h = %x, %ki = %k, %vi = %v) : !rows, !kv.slot<@k>, !kv.slot<@v> {
    %norm = lm.select @norm[%layer] : !vector
    %wq = lm.select @wq[%layer] : !query
    %wk = lm.select @wk[%layer] : !key
    %wv = lm.select @wv[%layer] : !key
    %wo = lm.select @wo[%layer] : !output
    %nq = lm.select @nq[%layer] : !head
    %nk = lm.select @nk[%layer] : !head
    %nv = lm.select @nv[%layer] : !head
    $BIASES
    %n = lm.rms_norm %h, %norm {epsilon = 1.0e-05 : f32} : !rows, !vector
    %qf = lm.linear %n, %wq $BIASQ -> tensor<?x$QUERYxf32>
    %kf = lm.linear %n, %wk $BIASK -> tensor<?x$KEYxf32>
    %vf = lm.linear %n, %wv : !rows, !key -> tensor<?x$KEYxf32>
    %q0 = tensor.expand_shape %qf [[0], [1, 2]] output_shape [%t, $HEADS, $WIDTH] : tensor<?x$QUERYxf32> into !queries
    %k0 = tensor.expand_shape %kf [[0], [1, 2]] output_shape [%t, $KEYHEADS, $WIDTH] : tensor<?x$KEYxf32> into !keys
    %v0 = tensor.expand_shape %vf [[0], [1, 2]] output_shape [%t, $KEYHEADS, $WIDTH] : tensor<?x$KEYxf32> into !keys
    $NORMQ$NORMK$NORMV
    %q1 = lm.rope $HEADQ, %angles lanes($ORDER) : !queries, !angles
    %kr = lm.rope $HEADK, %angles lanes($ORDER) : !keys, !angles
    %k1 = kv.append %ki[%layer], %kr, %batch : !kv.slot<@k>, !keys
    %v1 = kv.append %vi[%layer], $HEADV, %batch : !kv.slot<@v>, !keys
    %a = kv.attend %q1, %k1[%layer], %v1[%layer], %batch {scale = $SCALE : f32}
      : !queries, !kv.slot<@k>, !kv.slot<@v> -> !queries
    %af = tensor.collapse_shape %a [[0], [1, 2]] : !queries into tensor<?x$QUERYxf32>
    %o = lm.linear %af, %wo : tensor<?x$QUERYxf32>, !output -> !rows
    %h1 = arith.addf %h, %o : !rows
    kv.yield %h1, %k1, %v1 : !rows, !kv.slot<@k>, !kv.slot<@v>
  }
  %wanted = kv.wanted %batch : tensor<?xi32>
  %taken = lm.take %y, %wanted : !rows, tensor<?xi32> -> !rows
  %logits = lm.linear %taken, %embed : !rows, !embed -> tensor<?x96xf32>
  return %logits, %kn, %vn : tensor<?x96xf32>, !kv.slot<@k>, !kv.slot<@v>
}
}
)mlir";

string frequencies(int pairs) {
  string text;
  double frequency = 1;
  for (int i = 0; i < pairs; ++i, frequency *= 0.8)
    text += (i ? ", " : "") + std::to_string(frequency + 1e-6);
  return text;
}

/// The norm of the heads of q, k or v, where there is one.
string normOf(const string &head, const string &type) {
  return "%" + head + "_normed = lm.rms_norm %" + head + "0, %n" + head + " {epsilon = 1.0e-06 : f32} : " + type +
         ", !head\n";
}

string programOf(const Shape &shape, const string &order) {
  const auto number = [](int value) { return std::to_string(value); };
  const char *biases = "%bq = lm.select @bq[%layer] : !query_bias\n    %bk = lm.select @bk[%layer] : !key_bias";
  const string norms = shape.norms;
  const auto isNormed = [&](char head) { return norms.find(head) != string::npos; };
  // $KEYHEADS before $KEY.
  const std::pair<const char *, string> words[] = {
      {"QUERY", number(shape.heads * shape.width)},
      {"KEYHEADS", number(shape.keyHeads)},
      {"KEY", number(shape.keyHeads * shape.width)},
      {"HEADS", number(shape.heads)},
      {"WIDTH", number(shape.width)},
      {"PAIRS", number(shape.turned / 2)},
      {"FREQUENCIES", frequencies(shape.turned / 2)},
      {"CODES", shape.codes},
      {"ROUNDS", shape.rounds},
      // Normed heads have scores that grow with their lanes, and what rounding does to these grows with them.
      {"SCALE", norms.empty() ? "0.25" : std::to_string(1 / std::sqrt(shape.width))},
      {"ORDER", order},
      {"BIASES", shape.hasBias ? biases : ""},
      {"BIASQ", shape.hasBias ? "bias %bq : !rows, !query, !query_bias" : ": !rows, !query"},
      {"BIASK", shape.hasBias ? "bias %bk : !rows, !key, !key_bias" : ": !rows, !key"},
      {"NORMQ", isNormed('q') ? normOf("q", "!queries") : ""},
      {"NORMK", isNormed('k') ? normOf("k", "!keys") : ""},
      {"NORMV", isNormed('v') ? normOf("v", "!keys") : ""},
      {"HEADQ", isNormed('q') ? "%q_normed" : "%q0"},
      {"HEADK", isNormed('k') ? "%k_normed" : "%k0"},
      {"HEADV", isNormed('v') ? "%v_normed" : "%v0"}};
  string text = kProgram;
  for (const auto &[word, value] : words)
    text = std::regex_replace(text, std::regex(string("\\$") + word), value);
  return text;
}

} // namespace

std::vector<NamedProgram> turnedHeads() {
  std::vector<NamedProgram> programs;
  for (const char *order : {"halves", "adjacent"})
    for (const Shape &shape : kShapes)
      programs.push_back({string("heads.") + order + "." + std::to_string(shape.heads) + "x" +
                              std::to_string(shape.width) + ".of" + std::to_string(shape.turned) +
                              (*shape.norms ? string(".normed_") + shape.norms : ""),
                          programOf(shape, order)});
  return programs;
}

} // namespace conformance
