// SPDX-License-Identifier: MIT
// Mixtures of experts: routes, experts' linears, mixes, and what a backend may fuse of them.
#include "tests/conformance/family_writer.h"

namespace conformance {
namespace {

using std::string;

constexpr Form kForms[] = {
    {"f32", "codes = f32", 0},
    {"bf16", "codes = bf16", 0},
    {"u4g32z8", "codes = ui4, group = 32, scale = f16, zero = 8", 32},
    {"u4g32m", "codes = ui4, group = 32, scale = f16, min = f16", 32},
    {"i8g32", "codes = si8, group = 32, scale = f16", 32},
    {"v32b",
     "codes = si8, group = 32, scale = bf16, values = [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 12]", 32},
};
constexpr Gate kUsualGate = kGates[2]; // with each form; the others with one
constexpr Form kVector = {"f32", "codes = f32", 0};

/// C of X experts, each of N rows and K columns.
struct Experts {
  int chosen, experts, rows, columns;

  string parts() const { return conformance::rows(chosen * columns); }
  string results() const { return conformance::rows(chosen * rows); }
  string numbers() const { return "tensor<?x" + number(chosen) + "xi32>"; }
  string shares() const { return conformance::rows(chosen); }
  string logits() const { return conformance::rows(experts); }
  string weight() const { return number(experts * rows) + "x" + number(columns); }
};

// Each form; and with one form one of them, all, rows that fill no tile.
constexpr Experts kEach[] = {{3, 5, 32, 64}, {2, 12, 64, 32}};
constexpr Experts kMore[] = {{1, 4, 96, 64}, {4, 4, 32, 96}, {2, 3, 33, 64}};

string named(const string &op, const Form &form, const Experts &of) {
  return op + "." + form.name + "." + number(of.chosen) + "of" + number(of.experts) + "." + number(of.rows) + "x" +
         number(of.columns);
}

string route(const Experts &of, const string &shares) {
  return "  %experts, %shares = lm.route %logits of(" + shares + ") : " + of.logits() + " -> " + of.numbers() + ", " +
         of.shares() + "\n";
}

string expertLinear(const string &result, const string &input, const string &inputType, const string &weight,
                    const string &type, const Experts &of, const string &bias = "") {
  return "  %" + result + " = lm.expert_linear %" + input + ", %" + weight + " of %experts" +
         (bias.empty() ? "" : " bias %b") + " : " + inputType + ", " + type + ", " + of.numbers() +
         (bias.empty() ? "" : ", " + bias) + " -> " + of.results() + "\n";
}

/// All experts' rows for a row of the input, and which experts logits choose: companions.
void addAll(FamilyWriter &writer, const string &name, const string &weight, const string &type, const Experts &of) {
  const int outs = of.experts * of.rows;
  writer.function(name, {"%input: " + rows(of.columns)},
                  select("w", weight, type) + linear("result", "input", of.columns, "w", type, outs), rows(outs));
}

void addChoice(FamilyWriter &writer, const string &name, const Experts &of, const string &shares) {
  const string in = "%logits: " + of.logits();
  writer.function(name + ".experts", {in}, route(of, shares), {{"experts", of.numbers()}});
  writer.function(name + ".shares", {in}, route(of, shares), {{"shares", of.shares()}});
}

void addRoute(FamilyWriter &writer, int chosen, int experts, const string &shares) {
  const Experts of{chosen, experts, 0, 0};
  const string name = "route." + shares + "." + number(chosen) + "of" + number(experts);
  writer.function(name, {"%logits: " + of.logits()}, route(of, shares),
                  {{"experts", of.numbers()}, {"shares", of.shares()}});
  writer.add(name, Kind::route);
}

/// With the input of all of a row's experts, or a part for each; with and without a bias.
void addExpertLinear(FamilyWriter &writer, const Form &form, const Experts &of, bool hasParts, bool hasBias) {
  const string op = string("expert_linear") + (hasParts ? "_parts" : "") + (hasBias ? "_bias" : "");
  const string name = named(op, form, of), type = writer.weight(name, of.weight(), form);
  const string bias = hasBias ? writer.weight(name + ".bias", number(of.experts * of.rows), kVector) : "";
  const string in = hasParts ? of.parts() : rows(of.columns);
  writer.function(name, {"%input: " + in, "%experts: " + of.numbers()},
                  select("w", name, type) + (hasBias ? select("b", name + ".bias", bias) : "") +
                      expertLinear("result", "input", in, "w", type, of, bias),
                  of.results());
  addAll(writer, name + ".all", name, type, of);
  writer.add(name, Kind::expertLinear);
}

void addMix(FamilyWriter &writer, int chosen, int width) {
  const Experts of{chosen, chosen, width, 0};
  const string name = "mix." + number(chosen) + "x" + number(width);
  writer.function(name, {"%parts: " + of.results(), "%shares: " + of.shares()},
                  "  %result = lm.mix %parts, %shares : " + of.results() + ", " + of.shares() + " -> " + rows(width) +
                      "\n",
                  rows(width));
  writer.add(name, Kind::mix);
}

/// norm → experts' gate, up → a gated unit
void addExpertGate(FamilyWriter &writer, const Form &form, const Experts &of, const Gate &gate) {
  const string name = named("expert_gate." + string(gate.op), form, of), in = rows(of.columns);
  const string type = writer.weight(name, of.weight(), form),
               vector = writer.weight(name + ".n", number(of.columns), kVector);
  writer.weight(name + ".up", of.weight(), form);
  const string norms = select("norm", name + ".n", vector);
  writer.function(name, {"%input: " + in, "%logits: " + of.logits()},
                  norms + norm("n", of.columns, vector) + route(of, "chosen") + select("w", name, type) +
                      select("v", name + ".up", type) + expertLinear("g", "n", in, "w", type, of) +
                      expertLinear("u", "n", in, "v", type, of) + gated(gate, "g", "u", of.chosen * of.rows),
                  of.results());
  writer.function(name + ".norm", {"%input: " + in}, norms + norm("result", of.columns, vector), in);
  addAll(writer, name + ".gate", name, type, of);
  addAll(writer, name + ".up", name + ".up", type, of);
  addChoice(writer, name, of, "chosen");
  writer.add({name, Kind::expertGate, true, false, gate.of});
}

/// experts' down → mix → maybe a scale → maybe + residual
void addExpertMix(FamilyWriter &writer, const Form &form, const Experts &of, bool isScaled, bool isSum) {
  const string op = string("expert_mix") + (isScaled ? "_scale" : "") + (isSum ? "_add" : "");
  const string name = named(op, form, of), type = writer.weight(name, of.weight(), form), out = rows(of.rows);
  const string mixed = isScaled || isSum ? "m" : "result", scaled = isSum ? "s" : "result";
  string body = route(of, isSum ? "all" : "chosen") + select("w", name, type) +
                expertLinear("d", "input", of.parts(), "w", type, of) + "  %" + mixed +
                " = lm.mix %d, %shares : " + of.results() + ", " + of.shares() + " -> " + out + "\n";
  if (isScaled)
    body += "  %" + scaled + " = lm.scale %m {factor = 1.3 : f32} : " + out + "\n";
  if (isSum)
    body += "  %result = arith.addf %addend, %" + string(isScaled ? "s" : "m") + " : " + out + "\n";
  const string in = "%input: " + of.parts(), logits = "%logits: " + of.logits();
  if (isSum)
    writer.function(name, {in, logits, "%addend: " + out}, body, out);
  else
    writer.function(name, {in, logits}, body, out);
  addAll(writer, name + ".all", name, type, of);
  addChoice(writer, name, of, isSum ? "all" : "chosen");
  writer.add({name, Kind::expertMix, true, false, {isScaled ? 2.0 : 1.0, 0, isScaled ? 1.3 : 1}});
}

Family routes() {
  FamilyWriter writer("routes");
  for (const char *shares : {"all", "chosen"})
    for (const auto &[chosen, experts] : {std::pair{1, 1}, {1, 2}, {2, 8}, {5, 5}, {3, 33}, {8, 128}})
      addRoute(writer, chosen, experts, shares);
  for (const auto &[chosen, width] : {std::pair{1, 1}, {2, 17}, {3, 64}, {8, 33}})
    addMix(writer, chosen, width);
  return writer.finish();
}

} // namespace

std::vector<Family> expertFamilies() {
  FamilyWriter linears("expert_linears"), gates("expert_gates"), mixes("expert_mixes");
  const auto add = [&](const Form &form, const Experts &of) {
    addExpertLinear(linears, form, of, /*hasParts=*/false, /*hasBias=*/false);
    addExpertLinear(linears, form, of, /*hasParts=*/true, /*hasBias=*/true);
    addExpertGate(gates, form, of, kUsualGate);
    addExpertMix(mixes, form, of, /*isScaled=*/false, /*isSum=*/true);
  };
  for (const Form &form : kForms)
    for (const Experts &of : kEach)
      add(form, of);
  for (const Experts &of : kMore)
    add(kForms[3], of);
  for (const Experts &of : kEach) {
    for (const Gate &gate : kGates)
      if (gate.op != kUsualGate.op)
        addExpertGate(gates, kForms[3], of, gate);
    addExpertMix(mixes, kForms[3], of, /*isScaled=*/true, /*isSum=*/true);
    addExpertMix(mixes, kForms[3], of, /*isScaled=*/true, /*isSum=*/false);
    addExpertMix(mixes, kForms[4], of, /*isScaled=*/false, /*isSum=*/false);
  }
  return {routes(), linears.finish(), gates.finish(), mixes.finish()};
}

} // namespace conformance
