// SPDX-License-Identifier: MIT
#include "tests/conformance/families.h"

#include <initializer_list>
#include <tuple>
#include <utility>

namespace conformance {
namespace {

using std::string;
using Shape = std::pair<int, int>; // of a weight: rows N, columns K

/// A weight's type without its shape.
struct Form {
  const char *name, *text;
  int group;
};

// Every code with every group, scale and min that a file format has; the normal form of GGUF's types among them.
constexpr Form kFloats[] = {{"f32", "codes = f32", 0}, {"f16", "codes = f16", 0}, {"bf16", "codes = bf16", 0}};
constexpr Form kNarrow[] = {
    {"u4g32z8", "codes = ui4, group = 32, scale = f16, zero = 8", 32},
    {"u4g32m", "codes = ui4, group = 32, scale = f16, min = f16", 32},
    {"u4g32mf", "codes = ui4, group = 32, scale = f32, min = f32", 32},
    {"u4g16m", "codes = ui4, group = 16, scale = f32, min = f32", 16},
    {"u4g64m", "codes = ui4, group = 64, scale = f16, min = f16", 64},
};
constexpr Form kWide[] = {
    {"i8g32", "codes = si8, group = 32, scale = f16", 32},
    {"i8g16f", "codes = si8, group = 16, scale = f32", 16},
    {"u5g32z16", "codes = ui5, group = 32, scale = f16, zero = 16", 32},
    {"u5g32m", "codes = ui5, group = 32, scale = f16, min = f16", 32},
    {"u5g32mf", "codes = ui5, group = 32, scale = f32, min = f32", 32},
    {"u6g16z32", "codes = ui6, group = 16, scale = f32, zero = 32", 16},
};

constexpr Form kLevels[] = {
    {"u4g32k", "codes = ui4, group = 32, scale = si8, min = si8", 32},
    {"u5g32k", "codes = ui5, group = 32, scale = si8, min = si8", 32},
    {"u6g16k", "codes = ui6, group = 16, scale = si8, zero = 32", 16},
    {"u6g16mk", "codes = ui6, group = 16, scale = si8, min = si8, zero = 32", 16},
};

// 1, 2, odd, one less and one more than a tile of 32, a tile, several, and more than any register file holds.
constexpr Shape kGrouped[] = {{1, 64},  {2, 64},  {7, 128},  {31, 64},  {32, 64},
                              {33, 64}, {64, 64}, {65, 192}, {96, 320}, {130, 128}};
constexpr Shape kSuperblocks[] = {{1, 256}, {33, 256}, {64, 512}, {65, 768}};
constexpr Shape kPlain[] = {{1, 1},   {2, 2},   {3, 5},   {1, 32},   {31, 33},  {32, 31},
                            {33, 32}, {33, 33}, {32, 32}, {65, 192}, {96, 320}, {130, 128}};
constexpr Shape kFused[] = {{33, 64}, {64, 32}};
constexpr int kWidths[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 65, 300};

/// result = gate * share(gate) * up, with the roundings of the result and of the share.
struct Gate {
  const char *op;
  double units, unitsOfShare;
};
constexpr Gate kGates[] = {{"swiglu", 8, 0}};

string number(int value) { return std::to_string(value); }
string rows(int width) { return "tensor<?x" + number(width) + "xf32>"; }

/// Writes the module of a family.
class Writer {
public:
  explicit Writer(string name) : family{std::move(name), "", {}} {}

  /// A weight that `family` layers share the type of; gives its type.
  string weight(const string &symbol, const string &shape, const Form &form, int layers = 1) {
    const string type = "!lm.weight<" + shape + ", " + form.text + ">";
    weights += "lm.weight @\"w." + symbol + "\"" + (layers > 1 ? " family(" + number(layers) + ")" : "") +
               " source(\"" + symbol + (layers > 1 ? ".{}" : "") + "\") : " + type + "\n";
    return type;
  }

  /// A function of inputs, each "%name: type", whose body makes %result.
  void function(const string &name, std::initializer_list<string> inputs, const string &body, const string &result) {
    functions += "func.func @\"" + name + "\"(";
    for (const string &input : inputs) {
      const string word = input.substr(1, input.find(':') - 1);
      functions += input + " {kv.name = \"" + word + "\"" + (limit && word == "ids" ? limitOf(limit) : "") +
                   (layers && word == "layer" ? limitOf(layers) : "") + "}, ";
    }
    const bool isOfWanted = body.find("kv.wanted") != string::npos;
    functions += "%batch: !kv.batch) -> (" + result + " {kv.name = \"result\"" +
                 (isOfWanted ? "" : ", kv.extents = \"T\"") + "}) attributes {kv.probe} {\n" + body +
                 "  return %result : " + result + "\n}\n";
  }

  void add(OpCase op) { family.cases.push_back(std::move(op)); }
  void add(const string &name, Kind kind, bool isFused = false, bool hasF32Scales = false) {
    add({name, kind, isFused, hasF32Scales});
  }

  Family finish() {
    family.program =
        "module attributes {lm.model = {name = \"" + family.name +
        "\", architecture = \"conformance\", context = 4096 : i64, vocabulary = 8 : i64}} {\n"
        "kv.schema @conformance entries [@idle] { kv.cache @rows layers(1) heads(1) row(16) }\n" +
        weights +
        "func.func @idle(%rows: tensor<?x1x16xf32> {kv.name = \"rows\"}, %slot: !kv.slot<@rows>, %batch: !kv.batch)\n"
        "    -> !kv.slot<@rows> {\n"
        "  %c0 = arith.constant 0 : index\n"
        "  %next = kv.append %slot[%c0], %rows, %batch : !kv.slot<@rows>, tensor<?x1x16xf32>\n"
        "  return %next : !kv.slot<@rows>\n}\n" +
        functions + "}\n";
    return std::move(family);
  }

  int limit = 0, layers = 0; ///< of the numbers of inputs `ids` and `layer`; 0: none

private:
  static string limitOf(int value) { return ", kv.limit = " + number(value) + " : i64"; }

  Family family;
  string weights, functions;
};

string select(const string &value, const string &symbol, const string &type, const string &layer = "") {
  return "  %" + value + " = lm.select @\"w." + symbol + "\"" + layer + " : " + type + "\n";
}

string linear(const string &result, const string &input, int columns, const string &weight, const string &type,
              int outs) {
  return "  %" + result + " = lm.linear %" + input + ", %" + weight + " : " + rows(columns) + ", " + type + " -> " +
         rows(outs) + "\n";
}

string norm(int width, const string &type) {
  return "  %n = lm.rms_norm %input, %norm {epsilon = 1.0e-05 : f32} : " + rows(width) + ", " + type + "\n";
}

string named(const char *op, const Form &form, Shape shape) {
  return string(op) + "." + form.name + "." + number(shape.first) + "x" + number(shape.second);
}

string extents(Shape shape) { return number(shape.first) + "x" + number(shape.second); }

void addLinear(Writer &writer, const Form &form, Shape shape) {
  const string name = named("linear", form, shape), type = writer.weight(name, extents(shape), form);
  writer.function(name, {"%input: " + rows(shape.second)},
                  select("w", name, type) + linear("result", "input", shape.second, "w", type, shape.first),
                  rows(shape.first));
  writer.add(name, Kind::linear);
}

/// One of three layers, whose number is an input.
void addLayered(Writer &writer, const Form &form, Shape shape, bool hasBias) {
  const string name = named(hasBias ? "linear_bias_of_layer" : "linear_of_layer", form, shape);
  const string type = writer.weight(name, extents(shape), form, 3);
  const string bias = hasBias ? writer.weight(name + ".bias", number(shape.first), kFloats[0], 3) : "";
  writer.layers = 3;
  writer.function(name, {"%input: " + rows(shape.second), "%layer: tensor<1xi32>"},
                  "  %c0 = arith.constant 0 : index\n  %number = tensor.extract %layer[%c0] : tensor<1xi32>\n"
                  "  %at = arith.index_cast %number : i32 to index\n" +
                      select("w", name, type, "[%at]") + (hasBias ? select("b", name + ".bias", bias, "[%at]") : "") +
                      "  %result = lm.linear %input, %w" + (hasBias ? " bias %b" : "") + " : " + rows(shape.second) +
                      ", " + type + (hasBias ? ", " + bias : "") + " -> " + rows(shape.first) + "\n",
                  rows(shape.first));
  writer.add(name, Kind::linear);
}

Family linears(string name, const Form *forms, size_t numForms, const Shape *shapes, size_t numShapes,
               int leastColumns = 64) {
  Writer writer(std::move(name));
  for (size_t i = 0; i < numForms; ++i) {
    for (size_t j = 0; j < numShapes; ++j)
      addLinear(writer, forms[i], shapes[j]);
    addLayered(writer, forms[i], {64, leastColumns}, /*hasBias=*/true);
    addLayered(writer, forms[i], {33, 2 * leastColumns}, /*hasBias=*/true);
    addLayered(writer, forms[i], {64, leastColumns}, /*hasBias=*/false);
  }
  return writer.finish();
}

/// norm → linear → + residual; gate, up → swiglu; with and without the norm.
void addFused(Writer &writer, const Form &form, Shape shape) {
  const auto [outs, columns] = shape;
  const string in = "%input: " + rows(columns), sum = "%addend: " + rows(outs);
  const string add = "  %result = arith.addf %y, %addend : " + rows(outs) + "\n";
  const string plain = named("linear_add", form, shape), type = writer.weight(plain, extents(shape), form);
  writer.function(plain, {in, sum}, select("w", plain, type) + linear("y", "input", columns, "w", type, outs) + add,
                  rows(outs));
  writer.function(plain + ".linear", {in},
                  select("w", plain, type) + linear("result", "input", columns, "w", type, outs), rows(outs));
  writer.add(plain, Kind::linearAdd, true);

  const string normed = named("norm_linear", form, shape), vector = writer.weight(normed, number(columns), kFloats[0]);
  const string before = select("norm", normed, vector) + norm(columns, vector);
  writer.function(normed, {in}, before + select("w", plain, type) + linear("result", "n", columns, "w", type, outs),
                  rows(outs));
  writer.function(normed + ".norm", {in},
                  select("norm", normed, vector) +
                      "  %result = lm.rms_norm %input, %norm {epsilon = 1.0e-05 : f32} : " + rows(columns) + ", " +
                      vector + "\n",
                  rows(columns));
  writer.function(normed + ".linear", {in},
                  select("w", plain, type) + linear("result", "input", columns, "w", type, outs), rows(outs));
  writer.add(normed, Kind::normLinear, true);

  const string gated = named("gate_up", form, shape), up = writer.weight(gated + ".w", extents(shape), form);
  writer.function(gated, {in},
                  before + select("w", plain, type) + select("v", gated + ".w", up) +
                      linear("g", "n", columns, "w", type, outs) + linear("u", "n", columns, "v", up, outs) +
                      "  %result = lm.swiglu %g, %u : " + rows(outs) + "\n",
                  rows(outs));
  writer.function(gated + ".gate", {in}, select("w", plain, type) + linear("result", "input", columns, "w", type, outs),
                  rows(outs));
  writer.function(gated + ".up", {in},
                  select("v", gated + ".w", up) + linear("result", "input", columns, "v", up, outs), rows(outs));
  writer.function(gated + ".norm", {in},
                  select("norm", normed, vector) +
                      "  %result = lm.rms_norm %input, %norm {epsilon = 1.0e-05 : f32} : " + rows(columns) + ", " +
                      vector + "\n",
                  rows(columns));
  writer.add(gated, Kind::gateUp, true);
}

Family fused() {
  Writer writer("fused");
  for (const Form &form : {kFloats[1], kFloats[2], kNarrow[1], kWide[0]})
    for (const Shape &shape : kFused)
      addFused(writer, form, shape);
  return writer.finish();
}

void addRope(Writer &writer, int heads, int width, int lanes, const char *order) {
  const string name = string("rope.") + order + "." + number(heads) + "x" + number(width) + ".of" + number(lanes);
  const string type = "tensor<?x" + number(heads) + "x" + number(width) + "xf32>";
  const string angles = "tensor<?x" + number(lanes / 2) + "x2xf32>";
  writer.function(name, {"%input: " + type, "%angles: " + angles},
                  "  %result = lm.rope %input, %angles lanes(" + string(order) + ") : " + type + ", " + angles + "\n",
                  type);
  writer.add(name, Kind::rope);
}

void addAngles(Writer &writer, int count, const char *magnitude) {
  const string name = "rope_angles." + number(count) + ".times" + magnitude;
  const string type = "tensor<?x" + number(count) + "x2xf32>";
  string frequencies;
  double frequency = 1;
  for (int i = 0; i < count; ++i, frequency *= 0.7)
    frequencies += (i ? ", " : "") + std::to_string(frequency + 1e-6);
  writer.function(name, {"%positions: tensor<?xi64>"},
                  "  %result = lm.rope_angles %positions {frequencies = dense<[" + frequencies + "]> : tensor<" +
                      number(count) + "xf64>, magnitude = " + magnitude + " : f32} : tensor<?xi64> -> " + type + "\n",
                  type);
  writer.add(name, Kind::ropeAngles);
}

void addEmbedding(Writer &writer, const Form &form, Shape shape) {
  const string name = named("embedding", form, shape), type = writer.weight(name, extents(shape), form);
  writer.limit = shape.first;
  writer.function(name, {"%ids: tensor<?xi32>"},
                  select("w", name, type) + "  %result = lm.embedding %ids, %w : tensor<?xi32>, " + type + " -> " +
                      rows(shape.second) + "\n",
                  rows(shape.second));
  writer.add(name, Kind::embedding, false, string(form.text).find("scale = f32") != string::npos);
}

void addNorm(Writer &writer, const string &type, const string &shape, int width) {
  const string name = "rms_norm." + shape, weight = writer.weight(name, number(width), kFloats[0]);
  writer.function(name, {"%input: " + type},
                  select("w", name, weight) + "  %result = lm.rms_norm %input, %w {epsilon = 1.0e-05 : f32} : " + type +
                      ", " + weight + "\n",
                  type);
  writer.add(name, Kind::rmsNorm);
}

void addGated(Writer &writer, const Gate &gate, int width) {
  const string name = gate.op + ("." + number(width));
  writer.function(name, {"%gate: " + rows(width), "%up: " + rows(width)},
                  "  %result = lm." + string(gate.op) + " %gate, %up : " + rows(width) + "\n", rows(width));
  writer.add({name, Kind::gated, false, false, gate.units, gate.unitsOfShare});
}

void addTake(Writer &writer, int width) {
  const string name = "take." + number(width);
  writer.function(name, {"%input: " + rows(width)},
                  "  %wanted = kv.wanted %batch : tensor<?xi32>\n  %result = lm.take %input, %wanted : " + rows(width) +
                      ", tensor<?xi32> -> " + rows(width) + "\n",
                  rows(width));
  writer.add(name, Kind::exact);
}

Family rowwise() {
  Writer writer("rowwise");
  for (const int width : kWidths) {
    addNorm(writer, rows(width), number(width), width);
    for (const Gate &gate : kGates)
      addGated(writer, gate, width);
    addTake(writer, width);
  }
  for (const auto &[heads, width] : {Shape{1, 16}, {3, 64}, {2, 33}, {5, 2}})
    addNorm(writer, "tensor<?x" + number(heads) + "x" + number(width) + "xf32>", number(heads) + "x" + number(width),
            width);
  for (const char *order : {"adjacent", "halves"})
    for (const auto &[heads, width, lanes] :
         {std::tuple{1, 2, 2}, {1, 16, 16}, {2, 18, 16}, {3, 64, 64}, {3, 64, 32}, {5, 33, 32}, {2, 128, 128}})
      addRope(writer, heads, width, lanes, order);
  for (const int count : {1, 2, 7, 8, 32, 33})
    for (const char *magnitude : {"1.0", "1.25"})
      addAngles(writer, count, magnitude);
  for (const Form &form : kFloats)
    for (const Shape &shape : {Shape{1, 1}, {3, 5}, {33, 31}, {64, 64}})
      addEmbedding(writer, form, shape);
  for (const Form &form : {kNarrow[0], kNarrow[1], kWide[0], kWide[3], kWide[5]})
    for (const Shape &shape : {Shape{1, 64}, {33, 64}, {64, 96}})
      addEmbedding(writer, form, shape);
  for (const Form &form : kLevels)
    addEmbedding(writer, form, {33, 512});
  return writer.finish();
}

} // namespace

std::vector<Family> opFamilies() {
  return {linears("linears_of_floats", kFloats, std::size(kFloats), kPlain, std::size(kPlain)),
          linears("linears_of_4_bits", kNarrow, std::size(kNarrow), kGrouped, std::size(kGrouped)),
          linears("linears_of_8_bits", kWide, std::size(kWide), kGrouped, std::size(kGrouped)),
          linears("linears_of_two_levels", kLevels, std::size(kLevels), kSuperblocks, std::size(kSuperblocks), 256),
          fused(),
          rowwise()};
}

} // namespace conformance
