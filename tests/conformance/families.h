// SPDX-License-Identifier: MIT
// The op cases as programs: a family is a plugin, a case is a function of it. Shapes and types are tables.
#ifndef KVASIR_CONFORMANCE_FAMILIES_H
#define KVASIR_CONFORMANCE_FAMILIES_H

#include <string>
#include <vector>

namespace conformance {

/// What a case computes, for the distance that its results may have (tolerance.h).
enum class Kind {
  exact,
  embedding,
  rmsNorm,
  normAdd,
  rope,
  ropeAngles,
  unary,
  gated,
  route,
  mix,
  linear,
  linearEpilogue, ///< a linear, then maybe a unary op, then maybe a sum
  normLinear,
  gateUp,
  expertLinear,
  expertGate,
  expertMix
};

inline bool hasLinears(Kind kind) { return kind >= Kind::linear; }

/// How far an op that works element by element may be from the truth.
struct Elementwise {
  double units;      ///< roundings that the result has
  double unitsOfOne; ///< errors that are of numbers near 1, whatever the result's size; of a gate, of its share
  double slope;      ///< the most that the result changes with what it is of (a gate's for an `up` of 1); 0: any much
  double moreUp = 0; ///< what a gate adds to its `up`
};

/// One op, or ops that a backend may fuse, as a function of a plugin. Fused ones have companions in the same plugin:
/// the function `NAME.norm` gives what its linears take, `NAME.linear`, `NAME.gate` and `NAME.up` what they make. Of
/// experts these, and `NAME.all`, give what all experts make of a row, `NAME.experts` and `NAME.shares` the choice.
struct OpCase {
  std::string function; ///< "linear.u4g32z8.33x64"
  Kind kind;
  bool isFused = false;      ///< of several ops
  bool hasF32Scales = false; ///< which a backend that rounds activations may store in f16
  Elementwise elementwise = {};
};

struct Family {
  std::string name;
  std::string program; ///< MLIR
  std::vector<OpCase> cases;
};

/// Each op with each type and shape.
std::vector<Family> opFamilies();

} // namespace conformance

#endif
