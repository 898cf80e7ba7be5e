// SPDX-License-Identifier: MIT
#include "tests/conformance/rows.h"

#include "tests/conformance/numbers.h"

namespace conformance {
namespace {

using std::string;

/// The types of the program, and its functions in pieces.
struct Text {
  string any, one; ///< rows of any number of tokens, and of one
  static constexpr const char *kSlots = "!kv.slot<@k>, !kv.slot<@v>";

  explicit Text(const RowsShape &shape) {
    const string row = std::to_string(shape.heads) + "x" + std::to_string(shape.width) + "xf32>";
    any = "tensor<?x" + row;
    one = "tensor<1x" + row;
  }

  string results(const string &rows) const {
    return "(" + any + " {kv.name = \"kept\", kv.extents = \"S\"}, " + any +
           " {kv.name = \"rounded\", kv.extents = \"S\"}, " + any +
           " {kv.name = \"others\", kv.extents = \"S\"},\n     " + rows + " {kv.name = \"mixed\"" +
           (rows == any ? ", kv.extents = \"T\"" : "") + "}, " + kSlots + ")";
  }

  string inputs(const string &rows, const char *mask, const char *facts) const {
    return "(%keys: " + rows + " {kv.name = \"keys\"}, %values: " + rows +
           " {kv.name = \"values\"}, %position: tensor<1xi32> {kv.name = \"position\"},\n    %mask: " + mask +
           " {kv.name = \"mask\"}, %k: !kv.slot<@k>, %v: !kv.slot<@v>, %batch: !kv.batch {kv.sequences = 1 : i64" +
           facts + "})\n    -> ";
  }

  string write(const char *next, const char *slot, const char *layer, const char *rows, const char *name) const {
    return string("  %") + next + " = kv.write %" + slot + "[%" + layer + "], %" + rows + " at(%begin) : !kv.slot<@" +
           name + ">, " + any + "\n";
  }

  string read(const char *result, const char *slot, const char *layer, const char *name) const {
    return string("  %") + result + " = kv.read %" + slot + "[%" + layer + "] rows(%c0, %end) : !kv.slot<@" + name +
           "> -> " + any + "\n";
  }
};

/// The rows of `keys` and `values` written, read, and mixed as the mask says.
string model(const Text &text) {
  return "func.func private @model(%keys: " + text.any + ", %values: " + text.any +
         ", %mask: tensor<?x?xf32>, %begin: index, %count: index,\n    %end: index, %k: !kv.slot<@k>, %v: "
         "!kv.slot<@v>) -> (" +
         text.any + ", " + text.any + ", " + text.any + ", " + text.any + ", " + Text::kSlots + ") {\n" +
         "  %c0 = arith.constant 0 : index\n  %c1 = arith.constant 1 : index\n  %zero = arith.constant 0.0 : f32\n" +
         text.write("k1", "k", "c0", "keys", "k") + text.write("k2", "k1", "c1", "keys", "k") +
         text.write("v1", "v", "c1", "values", "v") + text.write("v2", "v1", "c0", "values", "v") +
         text.read("kept", "k2", "c0", "k") + text.read("rounded", "v2", "c1", "v") +
         text.read("others", "v2", "c0", "v") + text.read("rows", "k2", "c1", "k") +
         "  %empty = tensor.empty(%count) : " + text.any +
         "\n  %none = linalg.fill ins(%zero : f32) outs(%empty : " + text.any + ") -> " + text.any +
         "\n  %mixed = linalg.generic {indexing_maps = [affine_map<(t, g, d, s) -> (t, s)>, affine_map<(t, g, d, s) -> "
         "(s, g, "
         "d)>,\n      affine_map<(t, g, d, s) -> (t, g, d)>], iterator_types = [\"parallel\", \"parallel\", "
         "\"parallel\", "
         "\"reduction\"]}\n      ins(%mask, %rows : tensor<?x?xf32>, " +
         text.any + ") outs(%none : " + text.any +
         ") {\n    ^bb0(%m: f32, %x: f32, %acc: f32):\n      %p = arith.mulf %m, %x : f32\n"
         "      %s = arith.addf %acc, %p : f32\n      linalg.yield %s : f32\n  } -> " +
         text.any + "\n  return %kept, %rounded, %others, %mixed, %k2, %v2 : " + text.any + ", " + text.any + ", " +
         text.any + ", " + text.any + ", " + Text::kSlots + "\n}\n";
}

string call(const Text &text) {
  return "func.call @model(%x, %y, %m, %begin, %count, %end, %k, %v)\n    : (" + text.any + ", " + text.any +
         ", tensor<?x?xf32>, index, index, index, " + Text::kSlots + ") -> (" + text.any + ", " + text.any + ", " +
         text.any + ", " + text.any + ", " + Text::kSlots + ")\n";
}

constexpr const char *kBegin =
    "  %c0 = arith.constant 0 : index\n  %p32 = tensor.extract %position[%c0] : tensor<1xi32>\n"
    "  %given = arith.index_cast %p32 : i32 to index\n"
    "  %begin = kv.bind %given = start %batch[0] : index\n";

string step(const Text &text) {
  return "func.func @step" + text.inputs(text.any, "tensor<?x?xf32>", "") + text.results(text.any) + " {\n" + kBegin +
         "  %x = kv.bind %keys dim 0 = count %batch[0] : " + text.any +
         "\n  %y = kv.bind %values dim 0 = count %batch[0] : " + text.any +
         "\n  %m0 = kv.bind %mask dim 0 = count %batch[0] : tensor<?x?xf32>\n"
         "  %m = kv.bind %m0 dim 1 = length %batch[0] : tensor<?x?xf32>\n"
         "  %count = tensor.dim %x, %c0 : " +
         text.any +
         "\n  %end = arith.addi %begin, %count : index\n  %kept, %rounded, %others, %mixed, %kn, %vn = " + call(text) +
         "  return %kept, %rounded, %others, %mixed, %kn, %vn : " + text.any + ", " + text.any + ", " + text.any +
         ", " + text.any + ", " + Text::kSlots + "\n}\n";
}

string one(const Text &text) {
  return "func.func @one" + text.inputs(text.one, "tensor<1x?xf32>", ", kv.tokens = 1 : i64") + text.results(text.one) +
         " {\n" + kBegin +
         "  %m1 = kv.bind %mask dim 1 = length %batch[0] : tensor<1x?xf32>\n  %x = tensor.cast %keys : " + text.one +
         " to " + text.any + "\n  %y = tensor.cast %values : " + text.one + " to " + text.any +
         "\n  %m = tensor.cast %m1 : tensor<1x?xf32> to tensor<?x?xf32>\n  %count = arith.constant 1 : index\n"
         "  %end = arith.addi %begin, %count : index\n  %kept, %rounded, %others, %mix, %kn, %vn = " +
         call(text) + "  %mixed = tensor.cast %mix : " + text.any + " to " + text.one +
         "\n  return %kept, %rounded, %others, %mixed, %kn, %vn : " + text.any + ", " + text.any + ", " + text.any +
         ", " + text.one + ", " + Text::kSlots + "\n}\n";
}

} // namespace

string RowsShape::name() const { return "rows." + std::to_string(heads) + "x" + std::to_string(width); }

string rowsProgram(const RowsShape &shape) {
  const Text text(shape);
  const string cache = " layers(2) heads(" + std::to_string(shape.heads) + ") row(" + std::to_string(shape.width) + ")";
  return "module attributes {lm.model = {name = \"" + shape.name() +
         "\", architecture = \"conformance\", context = 1024 : i64, vocabulary = 8 : i64}} {\n"
         "kv.schema @rows entries [@step, @one] {\n  kv.cache @k" +
         cache + "\n  kv.cache @v" + cache + " values(@k) rounds(f16)\n}\n" + model(text) + step(text) + one(text) +
         "}\n";
}

std::vector<float> makeMask(MaskKind kind, uint64_t count, uint64_t length, std::mt19937_64 &random) {
  constexpr uint64_t kPrefix = 5, kBand = 3;
  std::vector<float> mask = drawReals(random, count * length);
  for (uint64_t t = 0; t < count && kind != MaskKind::weighted; ++t)
    for (uint64_t row = 0; row < length; ++row) {
      const uint64_t token = length - count + t;
      const bool isSeen = kind == MaskKind::full || (kind == MaskKind::prefix && row < kPrefix) ||
                          (row <= token && (kind != MaskKind::band || row + kBand > token));
      mask[t * length + row] = isSeen;
    }
  return mask;
}

} // namespace conformance
