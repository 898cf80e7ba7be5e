// SPDX-License-Identifier: MIT
// The op cases as programs: a family is a plugin, a case is a function of it. Shapes and types are tables.
#ifndef KVASIR_CONFORMANCE_FAMILIES_H
#define KVASIR_CONFORMANCE_FAMILIES_H

#include <string>
#include <vector>

namespace conformance {

/// What a case computes, for the distance that its results may have (tolerance.h).
enum class Kind { exact, embedding, rmsNorm, rope, ropeAngles, gated, linear, linearAdd, normLinear, gateUp };

inline bool hasLinears(Kind kind) { return kind >= Kind::linear; }

/// One op, or ops that a backend may fuse, as a function of a plugin. Fused ones have companions in the same plugin:
/// the function `NAME.norm` gives what its linears take, `NAME.gate` and `NAME.up` what they make.
struct OpCase {
  std::string function; ///< "linear.u4g32z8.33x64"
  Kind kind;
  bool isFused = false;      ///< of several ops
  bool hasF32Scales = false; ///< which a backend that rounds activations may store in f16
  double units = 0;          ///< roundings that a gated result has
  double unitsOfShare = 0;   ///< that the share of the gate has, which is at most 1
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
