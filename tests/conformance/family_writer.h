// SPDX-License-Identifier: MIT
// Writes the module of a family, and the words that it is made of.
#ifndef KVASIR_CONFORMANCE_FAMILY_WRITER_H
#define KVASIR_CONFORMANCE_FAMILY_WRITER_H

#include "tests/conformance/families.h"

#include <initializer_list>
#include <utility>

namespace conformance {

using Shape = std::pair<int, int>; // of a weight: rows N, columns K

/// A weight's type without its shape.
struct Form {
  const char *name, *text;
  int group;
};

bool hasF32Scales(const Form &form);

/// result = gate * share(gate) * up
struct Gate {
  const char *op, *attributes;
  Elementwise of;
};
inline constexpr Gate kGates[] = {
    {"clamped_swiglu", " {limit = 1.5 : f32, slope = 1.702 : f32}", {12, 0, 1.1, 1}},
    {"geglu", "", {2, 4, 1.13}},
    {"swiglu", "", {8, 0, 1.1}},
};

class FamilyWriter {
public:
  explicit FamilyWriter(std::string name) : family{std::move(name), "", {}} {}

  /// A weight that `family` layers share the type of; gives its type.
  std::string weight(const std::string &symbol, const std::string &shape, const Form &form, int layers = 1);

  /// A function of inputs, each "%name: type", whose body makes %result.
  void function(const std::string &name, std::initializer_list<std::string> inputs, const std::string &body,
                const std::string &result) {
    function(name, inputs, body, {{"result", result}});
  }

  /// The same with several results, each a name and a type, which the body makes.
  using Results = std::initializer_list<std::pair<std::string, std::string>>;
  void function(const std::string &name, std::initializer_list<std::string> inputs, const std::string &body,
                Results results);

  void add(OpCase op) { family.cases.push_back(std::move(op)); }
  void add(const std::string &name, Kind kind, bool isFused = false, bool hasF32Scales = false) {
    add({name, kind, isFused, hasF32Scales});
  }

  Family finish();

  int limit = 0, layers = 0; ///< of the numbers of inputs `ids` and `layer`; 0: none

private:
  Family family;
  std::string weights, functions;
};

/// Those of mixtures of experts (expert_families.cpp).
std::vector<Family> expertFamilies();

// Words of a case's name and of types.
std::string number(int value);
std::string extents(Shape shape);
std::string named(const std::string &op, const Form &form, Shape shape);
std::string rows(int width);

// Ops, each a line that makes %result; what they take is without its %.
std::string select(const std::string &result, const std::string &symbol, const std::string &type,
                   const std::string &layer = "");
std::string linear(const std::string &result, const std::string &input, int columns, const std::string &weight,
                   const std::string &type, int outs);
std::string gated(const Gate &gate, const std::string &of, const std::string &up, int columns);
std::string norm(const std::string &result, int width, const std::string &type);        ///< of %input by %norm
std::string embedding(const std::string &result, const std::string &type, int columns); ///< of %ids in %w

} // namespace conformance

#endif
