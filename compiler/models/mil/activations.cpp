// SPDX-License-Identifier: MIT
// Elementwise functions with constants of their own: one number, or one for each channel (dim 1).
#include "compiler/models/mil/channels.h"
#include "compiler/models/mil/elementwise.h"
#include "compiler/models/mil/families.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using kvasir::coreml::Element;

namespace kvasir::mil {
namespace {

using Builder = ImplicitLocOpBuilder;

Value realOf(Builder &b, Value like, double number) {
  return b.create<arith::ConstantOp>(b.getFloatAttr(like.getType(), number));
}

Value plus(Builder &b, Value lhs, Value rhs) { return b.create<arith::AddFOp>(lhs, rhs); }
Value minus(Builder &b, Value lhs, Value rhs) { return b.create<arith::SubFOp>(lhs, rhs); }
Value times(Builder &b, Value lhs, Value rhs) { return b.create<arith::MulFOp>(lhs, rhs); }
Value atMost(Builder &b, Value x, Value bound) { return b.create<arith::MinimumFOp>(x, bound); }
Value atLeast(Builder &b, Value x, Value bound) { return b.create<arith::MaximumFOp>(x, bound); }

/// x where it is at least `bound`, else `other`.
Value unlessBelow(Builder &b, Value x, Value bound, Value other) {
  return b.create<arith::SelectOp>(b.create<arith::CmpFOp>(arith::CmpFPredicate::OLT, x, bound), other, x);
}

Value leaky(Builder &b, Value x, Value alpha) { return unlessBelow(b, x, realOf(b, x, 0), times(b, alpha, x)); }

struct Activation {
  const char *name;
  Value (*compute)(Builder &, Value x, Value alpha, Value beta); ///< in f32; beta is null where the op has none
};

constexpr Activation kActivations[] = {
    {"clamped_relu", [](Builder &b, Value x, Value alpha, Value beta) { return atMost(b, leaky(b, x, alpha), beta); }},
    {"clip", [](Builder &b, Value x, Value alpha, Value beta) { return atMost(b, atLeast(b, x, alpha), beta); }},
    {"elu",
     [](Builder &b, Value x, Value alpha, Value) {
       Value power = minus(b, b.create<math::ExpOp>(x), realOf(b, x, 1));
       return unlessBelow(b, x, realOf(b, x, 0), times(b, alpha, power));
     }},
    {"leaky_relu", [](Builder &b, Value x, Value alpha, Value) { return leaky(b, x, alpha); }},
    {"linear_activation",
     [](Builder &b, Value x, Value alpha, Value beta) { return plus(b, times(b, x, alpha), beta); }},
    {"prelu", [](Builder &b, Value x, Value alpha, Value) { return leaky(b, x, alpha); }},
    {"scaled_tanh", [](Builder &b, Value x, Value alpha,
                       Value beta) { return times(b, alpha, b.create<math::TanhOp>(times(b, x, beta))); }},
    {"sigmoid_hard",
     [](Builder &b, Value x, Value alpha, Value beta) {
       Value line = plus(b, times(b, alpha, x), beta);
       return atMost(b, atLeast(b, line, realOf(b, x, 0)), realOf(b, x, 1));
     }},
    {"softplus_parametric", [](Builder &b, Value x, Value alpha,
                               Value beta) { return times(b, alpha, emitUnary(b, "softplus", times(b, x, beta))); }},
    {"threshold", [](Builder &b, Value x, Value alpha, Value) { return atLeast(b, x, alpha); }},
    {"thresholded_relu",
     [](Builder &b, Value x, Value alpha, Value) { return unlessBelow(b, x, alpha, realOf(b, x, 0)); }},
};

} // namespace

void importActivation(OpImport &op) {
  const Activation &row =
      *llvm::find_if(kActivations, [&](const Activation &known) { return op.operation.type == known.name; });
  Tensor x = op.tensor("x");
  if (!isReal(x))
    return op.fail("has an input that is of no float type");
  SmallVector<Tensor> operands{x, overChannels(op, "alpha", x)};
  if (op.has("beta"))
    operands.push_back(overChannels(op, "beta", x));
  if (op.failed())
    return;
  setElementwise(
      op, operands, x.element,
      [&](Builder &b, ValueRange in) { return row.compute(b, in[0], in[1], in.size() > 2 ? in[2] : Value()); },
      /*isFixed=*/true);
}

/// EXACT: x/2 (1 + erf(x / sqrt 2)); TANH_APPROXIMATION; SIGMOID_APPROXIMATION: x sigmoid(1.702 x).
void importGelu(OpImport &op) {
  const std::string mode = op.text("mode", "EXACT");
  Tensor x = op.tensor("x");
  if (!isReal(x))
    return op.fail("has an input that is of no float type");
  if (!llvm::is_contained({"EXACT", "SIGMOID_APPROXIMATION", "TANH_APPROXIMATION"}, mode))
    return op.fail("has mode '" + mode + "', which is not known");
  setElementwise(op, {x}, x.element, [&](Builder &b, ValueRange in) -> Value {
    auto constant = [&](double number) { return realOf(b, in[0], number); };
    Value v = in[0];
    if (mode == "SIGMOID_APPROXIMATION")
      return times(b, v, emitUnary(b, "sigmoid", times(b, v, constant(1.702))));
    Value inside = times(b, v, constant(0.70710678118654752));
    Value bent;
    if (mode == "TANH_APPROXIMATION") {
      Value cube = times(b, constant(0.044715), times(b, v, times(b, v, v)));
      bent = b.create<math::TanhOp>(times(b, constant(0.79788456080286536), plus(b, v, cube)));
    } else {
      bent = b.create<math::ErfOp>(inside);
    }
    return times(b, times(b, constant(0.5), v), plus(b, constant(1), bent));
  });
}

/// (x - mean) / sqrt(variance + epsilon) * gamma + beta, each one number for each channel.
void importBatchNorm(OpImport &op) {
  Tensor x = op.tensor("x");
  const double epsilon = op.real("epsilon", 1e-5);
  if (!isReal(x))
    return op.fail("has an input that is of no float type");
  SmallVector<Tensor> operands{x, overChannels(op, "mean", x), overChannels(op, "variance", x)};
  const bool hasGamma = op.has("gamma"), hasBeta = op.has("beta");
  if (hasGamma)
    operands.push_back(overChannels(op, "gamma", x));
  if (hasBeta)
    operands.push_back(overChannels(op, "beta", x));
  if (op.failed())
    return;
  setElementwise(
      op, operands, x.element,
      [&](Builder &b, ValueRange in) -> Value {
        Value spread = b.create<math::SqrtOp>(plus(b, in[2], realOf(b, in[2], epsilon)));
        Value normed = b.create<arith::DivFOp>(minus(b, in[0], in[1]), spread);
        if (hasGamma)
          normed = times(b, normed, in[3]);
        return hasBeta ? plus(b, normed, in.back()) : normed;
      },
      /*isFixed=*/true);
}

} // namespace kvasir::mil
