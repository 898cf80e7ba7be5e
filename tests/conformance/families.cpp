// SPDX-License-Identifier: MIT
#include "tests/conformance/family_writer.h"

#include <tuple>

namespace conformance {
namespace {

using std::string;

// Every code with every group, scale and min that a file format has; the normal form of GGUF's types among them.
constexpr Form kFloats[] = {{"f32", "codes = f32", 0}, {"f16", "codes = f16", 0}, {"bf16", "codes = bf16", 0}};
constexpr Form kNarrow[] = {
    {"u4g32z8", "codes = ui4, group = 32, scale = f16, zero = 8", 32},
    {"u4g32m", "codes = ui4, group = 32, scale = f16, min = f16", 32},
    {"u4g32mf", "codes = ui4, group = 32, scale = f32, min = f32", 32},
    {"u4g16m", "codes = ui4, group = 16, scale = f32, min = f32", 16},
    {"u2g32m", "codes = ui2, group = 32, scale = f16, min = f16", 32},
    {"u3g32z4", "codes = ui3, group = 32, scale = f16, zero = 4", 32},
    {"u4g64m", "codes = ui4, group = 64, scale = f16, min = f16", 64},
};
constexpr Form kWide[] = {
    {"i8g32", "codes = si8, group = 32, scale = f16", 32},
    {"i8g16f", "codes = si8, group = 16, scale = f32", 16},
    {"u5g32z16", "codes = ui5, group = 32, scale = f16, zero = 16", 32},
    {"u5g32z16b", "codes = ui5, group = 32, scale = bf16, zero = 16", 32},
    {"u5g32m", "codes = ui5, group = 32, scale = f16, min = f16", 32},
    {"u5g32mf", "codes = ui5, group = 32, scale = f32, min = f32", 32},
    {"u6g16z32", "codes = ui6, group = 16, scale = f32, zero = 32", 16},
    {"v32b",
     "codes = si8, group = 32, scale = bf16, values = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12]", 32},
    {"v32w",
     "codes = si8, group = 32, scale = f16, values = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, "
     "89, 113]",
     32},
};

constexpr Form kLevels[] = {
    {"u2g16mk", "codes = ui2, group = 16, scale = si8, min = si8", 16},
    {"u3g16k", "codes = ui3, group = 16, scale = si8, zero = 4", 16},
    {"u3g16mk", "codes = ui3, group = 16, scale = si8, min = si8, zero = 4", 16},
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

/// Each element of the result is of one of the input. A backend may compute it as part of a linear if it has a slope.
struct Unary {
  const char *op, *attributes;
  Elementwise of;
};
constexpr Unary kUnaries[] = {
    {"scale", " {factor = 1.3 : f32}", {1, 0, 1.3}},
    {"softcap", " {cap = 2.5 : f32}", {4, 8, 1}},
};

string unary(const string &result, const Unary &op, const string &input, int columns) {
  return "  %" + result + " = lm." + op.op + " %" + input + op.attributes + " : " + rows(columns) + "\n";
}

void addLinear(FamilyWriter &writer, const Form &form, Shape shape) {
  const string name = named("linear", form, shape), type = writer.weight(name, extents(shape), form);
  writer.function(name, {"%input: " + rows(shape.second)},
                  select("w", name, type) + linear("result", "input", shape.second, "w", type, shape.first),
                  rows(shape.first));
  writer.add(name, Kind::linear);
}

/// One of three layers, whose number is an input.
void addLayered(FamilyWriter &writer, const Form &form, Shape shape, bool hasBias) {
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
  FamilyWriter writer(std::move(name));
  for (size_t i = 0; i < numForms; ++i) {
    for (size_t j = 0; j < numShapes; ++j)
      addLinear(writer, forms[i], shapes[j]);
    addLayered(writer, forms[i], {64, leastColumns}, /*hasBias=*/true);
    addLayered(writer, forms[i], {33, 2 * leastColumns}, /*hasBias=*/true);
    addLayered(writer, forms[i], {64, leastColumns}, /*hasBias=*/false);
  }
  return writer.finish();
}

/// The name of a weight, and its type.
struct Named {
  string name, type;
};

/// A linear alone, as a companion.
void addPart(FamilyWriter &writer, const string &name, const Named &weight, Shape shape) {
  writer.function(name, {"%input: " + rows(shape.second)},
                  select("w", weight.name, weight.type) +
                      linear("result", "input", shape.second, "w", weight.type, shape.first),
                  rows(shape.first));
}

/// A norm alone, as a companion.
void addPart(FamilyWriter &writer, const string &name, const Named &weight, int width) {
  writer.function(name, {"%input: " + rows(width)},
                  select("norm", weight.name, weight.type) + norm("result", width, weight.type), rows(width));
}

/// norm → gate, up → a gated unit. The gate's weight and the norm's are there already.
void addGateUp(FamilyWriter &writer, const Form &form, Shape shape, const Gate &gate, const Named &w,
               const Named &normed) {
  const auto [outs, columns] = shape;
  const string name = named("gate_up." + string(gate.op), form, shape);
  const Named up{name + ".w", writer.weight(name + ".w", extents(shape), form)};
  writer.function(name, {"%input: " + rows(columns)},
                  select("norm", normed.name, normed.type) + norm("n", columns, normed.type) +
                      select("w", w.name, w.type) + select("v", up.name, up.type) +
                      linear("g", "n", columns, "w", w.type, outs) + linear("u", "n", columns, "v", up.type, outs) +
                      gated(gate, "g", "u", outs),
                  rows(outs));
  addPart(writer, name + ".gate", w, shape);
  addPart(writer, name + ".up", up, shape);
  addPart(writer, name + ".norm", normed, columns);
  writer.add({name, Kind::gateUp, true, false, gate.of});
}

/// norm → linear → + residual; gate, up → each gated unit; with and without the norm.
void addFused(FamilyWriter &writer, const Form &form, Shape shape) {
  const auto [outs, columns] = shape;
  const string in = "%input: " + rows(columns), sum = "%addend: " + rows(outs);
  const string add = "  %result = arith.addf %y, %addend : " + rows(outs) + "\n";
  const string plain = named("linear_add", form, shape), type = writer.weight(plain, extents(shape), form);
  writer.function(plain, {in, sum}, select("w", plain, type) + linear("y", "input", columns, "w", type, outs) + add,
                  rows(outs));
  addPart(writer, plain + ".linear", {plain, type}, shape);
  writer.add({plain, Kind::linearEpilogue, true, false, {0, 0, 1}});

  const string normed = named("norm_linear", form, shape), vector = writer.weight(normed, number(columns), kFloats[0]);
  writer.function(normed, {in},
                  select("norm", normed, vector) + norm("n", columns, vector) + select("w", plain, type) +
                      linear("result", "n", columns, "w", type, outs),
                  rows(outs));
  addPart(writer, normed + ".norm", {normed, vector}, columns);
  addPart(writer, normed + ".linear", {plain, type}, shape);
  writer.add(normed, Kind::normLinear, true);
  for (const Gate &gate : kGates)
    addGateUp(writer, form, shape, gate, {plain, type}, {normed, vector});
}

/// linear → unary, and with + residual
void addLinearUnary(FamilyWriter &writer, const Form &form, Shape shape, const Unary &op) {
  const auto [outs, columns] = shape;
  const string name = named("linear_" + string(op.op), form, shape), type = writer.weight(name, extents(shape), form);
  const string sum = named("linear_" + string(op.op) + "_add", form, shape), in = "%input: " + rows(columns);
  const string made = select("w", name, type) + linear("y", "input", columns, "w", type, outs);
  writer.function(name, {in}, made + unary("result", op, "y", outs), rows(outs));
  writer.function(sum, {in, "%addend: " + rows(outs)},
                  made + unary("z", op, "y", outs) + "  %result = arith.addf %addend, %z : " + rows(outs) + "\n",
                  rows(outs));
  for (const string &whole : {name, sum}) {
    addPart(writer, whole + ".linear", {name, type}, shape);
    writer.add({whole, Kind::linearEpilogue, true, false, op.of});
  }
}

/// embedding → scale
void addScaledEmbedding(FamilyWriter &writer, const Form &form, Shape shape) {
  const string name = named("embedding_scale", form, shape), type = writer.weight(name, extents(shape), form);
  writer.limit = shape.first;
  writer.function(name, {"%ids: tensor<?xi32>"},
                  select("w", name, type) + embedding("x", type, shape.second) +
                      unary("result", kUnaries[0], "x", shape.second),
                  rows(shape.second));
  writer.add({name, Kind::embedding, true, hasF32Scales(form), kUnaries[0].of});
}

/// norm → + residual
void addNormAdd(FamilyWriter &writer, int width) {
  const string name = "norm_add." + number(width), type = writer.weight(name, number(width), kFloats[0]);
  writer.function(name, {"%input: " + rows(width), "%addend: " + rows(width)},
                  select("norm", name, type) + norm("n", width, type) +
                      "  %result = arith.addf %addend, %n : " + rows(width) + "\n",
                  rows(width));
  addPart(writer, name + ".norm", {name, type}, width);
  writer.add(name, Kind::normAdd, true);
}

Family fused() {
  FamilyWriter writer("fused");
  for (const Form &form : {kFloats[1], kFloats[2], kNarrow[1], kWide[0]})
    for (const Shape &shape : kFused)
      addFused(writer, form, shape);
  for (const Shape &shape : kFused) {
    for (const Unary &op : kUnaries)
      if (op.of.slope > 0)
        addLinearUnary(writer, kNarrow[1], shape, op);
    for (const Form &form : {kFloats[1], kNarrow[1]})
      addScaledEmbedding(writer, form, shape);
  }
  for (const int width : {17, 32, 64, 320})
    addNormAdd(writer, width);
  return writer.finish();
}

void addRope(FamilyWriter &writer, int heads, int width, int lanes, const char *order) {
  const string name = string("rope.") + order + "." + number(heads) + "x" + number(width) + ".of" + number(lanes);
  const string type = "tensor<?x" + number(heads) + "x" + number(width) + "xf32>";
  const string angles = "tensor<?x" + number(lanes / 2) + "x2xf32>";
  writer.function(name, {"%input: " + type, "%angles: " + angles},
                  "  %result = lm.rope %input, %angles lanes(" + string(order) + ") : " + type + ", " + angles + "\n",
                  type);
  writer.add(name, Kind::rope);
}

void addAngles(FamilyWriter &writer, int count, const char *magnitude) {
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

void addEmbedding(FamilyWriter &writer, const Form &form, Shape shape) {
  const string name = named("embedding", form, shape), type = writer.weight(name, extents(shape), form);
  writer.limit = shape.first;
  writer.function(name, {"%ids: tensor<?xi32>"}, select("w", name, type) + embedding("result", type, shape.second),
                  rows(shape.second));
  writer.add(name, Kind::embedding, false, hasF32Scales(form));
}

void addNorm(FamilyWriter &writer, const string &type, const string &shape, int width) {
  const string name = "rms_norm." + shape, weight = writer.weight(name, number(width), kFloats[0]);
  writer.function(name, {"%input: " + type},
                  select("w", name, weight) + "  %result = lm.rms_norm %input, %w {epsilon = 1.0e-05 : f32} : " + type +
                      ", " + weight + "\n",
                  type);
  writer.add(name, Kind::rmsNorm);
}

void addGated(FamilyWriter &writer, const Gate &gate, int width) {
  const string name = gate.op + ("." + number(width));
  writer.function(name, {"%gate: " + rows(width), "%up: " + rows(width)}, gated(gate, "gate", "up", width),
                  rows(width));
  writer.add({name, Kind::gated, false, false, gate.of});
}

void addUnary(FamilyWriter &writer, const Unary &op, int width) {
  const string name = op.op + ("." + number(width));
  writer.function(name, {"%input: " + rows(width)}, unary("result", op, "input", width), rows(width));
  writer.add({name, Kind::unary, false, false, op.of});
}

void addTake(FamilyWriter &writer, int width) {
  const string name = "take." + number(width);
  writer.function(name, {"%input: " + rows(width)},
                  "  %wanted = kv.wanted %batch : tensor<?xi32>\n  %result = lm.take %input, %wanted : " + rows(width) +
                      ", tensor<?xi32> -> " + rows(width) + "\n",
                  rows(width));
  writer.add(name, Kind::exact);
}

Family rowwise() {
  FamilyWriter writer("rowwise");
  for (const int width : kWidths) {
    addNorm(writer, rows(width), number(width), width);
    for (const Gate &gate : kGates)
      addGated(writer, gate, width);
    for (const Unary &op : kUnaries)
      addUnary(writer, op, width);
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
  for (const Form &form :
       {kNarrow[0], kNarrow[1], kNarrow[4], kNarrow[5], kWide[0], kWide[3], kWide[5], kWide[7], kWide[8]})
    for (const Shape &shape : {Shape{1, 64}, {33, 64}, {64, 96}})
      addEmbedding(writer, form, shape);
  for (const Form &form : kLevels)
    addEmbedding(writer, form, {33, 512});
  return writer.finish();
}

} // namespace

std::vector<Family> opFamilies() {
  std::vector<Family> families = {
      linears("linears_of_floats", kFloats, std::size(kFloats), kPlain, std::size(kPlain)),
      linears("linears_of_4_bits", kNarrow, std::size(kNarrow), kGrouped, std::size(kGrouped)),
      linears("linears_of_8_bits", kWide, std::size(kWide), kGrouped, std::size(kGrouped)),
      linears("linears_of_two_levels", kLevels, std::size(kLevels), kSuperblocks, std::size(kSuperblocks), 256),
      fused(),
      rowwise()};
  for (Family &family : expertFamilies())
    families.push_back(std::move(family));
  return families;
}

} // namespace conformance
