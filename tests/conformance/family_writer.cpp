// SPDX-License-Identifier: MIT
#include "tests/conformance/family_writer.h"

namespace conformance {

using std::string;

static string limitOf(int value) { return ", kv.limit = " + number(value) + " : i64"; }

bool hasF32Scales(const Form &form) { return string(form.text).find("scale = f32") != string::npos; }

string FamilyWriter::weight(const string &symbol, const string &shape, const Form &form, int layers) {
  const string type = "!lm.weight<" + shape + ", " + form.text + ">";
  weights += "lm.weight @\"w." + symbol + "\"" + (layers > 1 ? " family(" + number(layers) + ")" : "") + " source(\"" +
             symbol + (layers > 1 ? ".{}" : "") + "\") : " + type + "\n";
  return type;
}

void FamilyWriter::function(const string &name, std::initializer_list<string> inputs, const string &body,
                            Results results) {
  functions += "func.func @\"" + name + "\"(";
  for (const string &input : inputs) {
    const string word = input.substr(1, input.find(':') - 1);
    functions += input + " {kv.name = \"" + word + "\"" + (limit && word == "ids" ? limitOf(limit) : "") +
                 (layers && word == "layer" ? limitOf(layers) : "") + "}, ";
  }
  const bool isOfWanted = body.find("kv.wanted") != string::npos;
  string described, names, types;
  for (const auto &[result, type] : results) {
    const string comma = names.empty() ? "" : ", ";
    described += comma + type + " {kv.name = \"" + result + "\"" + (isOfWanted ? "" : ", kv.extents = \"T\"") + "}";
    names += comma + "%" + result;
    types += comma + type;
  }
  functions += "%batch: !kv.batch) -> (" + described + ") attributes {kv.probe} {\n" + body + "  return " + names +
               " : " + types + "\n}\n";
}

Family FamilyWriter::finish() {
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

string number(int value) { return std::to_string(value); }

string extents(Shape shape) { return number(shape.first) + "x" + number(shape.second); }

string named(const string &op, const Form &form, Shape shape) { return op + "." + form.name + "." + extents(shape); }

string rows(int width) { return "tensor<?x" + number(width) + "xf32>"; }

string select(const string &result, const string &symbol, const string &type, const string &layer) {
  return "  %" + result + " = lm.select @\"w." + symbol + "\"" + layer + " : " + type + "\n";
}

string linear(const string &result, const string &input, int columns, const string &weight, const string &type,
              int outs) {
  return "  %" + result + " = lm.linear %" + input + ", %" + weight + " : " + rows(columns) + ", " + type + " -> " +
         rows(outs) + "\n";
}

string gated(const Gate &gate, const string &of, const string &up, int columns) {
  return "  %result = lm." + string(gate.op) + " %" + of + ", %" + up + gate.attributes + " : " + rows(columns) + "\n";
}

string norm(const string &result, int width, const string &type) {
  return "  %" + result + " = lm.rms_norm %input, %norm {epsilon = 1.0e-05 : f32} : " + rows(width) + ", " + type +
         "\n";
}

string embedding(const string &result, const string &type, int columns) {
  return "  %" + result + " = lm.embedding %ids, %w : tensor<?xi32>, " + type + " -> " + rows(columns) + "\n";
}

} // namespace conformance
