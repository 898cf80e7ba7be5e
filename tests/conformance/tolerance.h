// SPDX-License-Identifier: MIT
// How far the results of a backend may be from reference's, derived from what it may round.
//
// u = 2^-24 is half a unit of f32 in the last place; every f32 operation errs by at most u of its result.
//
// Sums. A sum of K products in any order has errors of at most K u S, S the sum of their magnitudes. Roundings are
// independent: the errors add up like steps of a random walk, and 6 sqrt(K) u S is passed with a probability of 2e-9
// (Higham and Mary, A new approach to probabilistic rounding error analysis, 2019). Both sides may be so far from the
// truth, so twice that. S is exact: weights are read from reference itself, by inputs that are 1 in one column.
//
// Activations. `int8` rounds each activation to a step of its group of 32: an error of at most a = max|x| / 254, evenly
// spread, with a variance of a^2 / 3. `bf16` rounds activations, and weights too, to 2^-8 of themselves at most. The
// error of a sum of K products has the variance sum of (error of x)^2 w^2 / 3; 6 standard deviations are allowed.
//
// Formulas. rms_norm is a sum of E squares, halved by the root, and 4 roundings; rope 3, swiglu 8 with an exp of 2
// units (other gates and unary ops: kGates and kUnaries of families.cpp; a share that is a difference, as tanh may be,
// errs by units of 1, not of itself); rope_angles is rounded once from f64. Ops that move numbers (take, embeddings of
// floats) give the same bits; embeddings of codes round a product and a sum. Where activations are rounded, scales and
// mins of f32 may be stored in f16: embeddings err by 2^-11 more; what that does to linears is far below what their
// activations' rounding does.
//
// Mixtures. A share is an exponential of a difference (2 |difference| + 2 roundings) over a sum of them; a mix is a sum
// of C products. Which experts are chosen has no tolerance: logits are inputs, the same bits on both sides.
//
// Fused ops pass on the errors of what they take: a norm's by its weights' S, a gate's by its largest slope (silu's is
// 1.1) times up, a unary op's by its slope.
#ifndef KVASIR_CONFORMANCE_TOLERANCE_H
#define KVASIR_CONFORMANCE_TOLERANCE_H

#include "tests/conformance/families.h"
#include "tests/conformance/plugin.h"

namespace conformance {

enum class Rounding { none, int8, bf16 };

/// The largest difference of each result of a case from `expected`, reference's results for `inputs`.
class Tolerance {
public:
  Tolerance(Plugin &reference, Rounding rounding) : reference(reference), rounding(rounding) {}

  std::vector<double> of(const OpCase &op, const std::vector<Tensor> &inputs, const std::vector<float> &expected);

private:
  /// A linear's weights [N, K], read from reference.
  struct Weights {
    uint64_t rows, columns;
    std::vector<float> values;
  };
  const Weights &weightsOf(const std::string &function, const std::vector<Tensor> &inputs);
  /// Of x W, where x itself is known up to `error` (none if empty).
  std::vector<double> ofLinear(const std::string &function, const std::vector<Tensor> &inputs, std::span<const float> x,
                               const std::vector<double> &error);
  std::vector<double> ofFused(const OpCase &op, const std::vector<Tensor> &inputs, const std::vector<float> &expected);
  std::vector<double> ofEpilogue(const OpCase &op, const std::vector<Tensor> &inputs,
                                 const std::vector<float> &expected);
  std::vector<double> ofGate(const OpCase &op, const std::vector<Tensor> &normed, const std::vector<double> &error,
                             const std::vector<float> &expected);
  std::vector<double> ofExpertLinear(const OpCase &op, const std::vector<Tensor> &inputs,
                                     const std::vector<float> &expected);
  std::vector<double> ofExpertGate(const OpCase &op, const std::vector<Tensor> &inputs,
                                   const std::vector<float> &expected);
  std::vector<double> ofExpertMix(const OpCase &op, const std::vector<Tensor> &inputs,
                                  const std::vector<float> &expected);
  /// The square of the error that the rounding of each of `columns` activations may have.
  std::vector<double> roundingErrors(std::span<const float> x) const;

  Plugin &reference;
  Rounding rounding;
  std::map<std::string, Weights> known; // by function and layer
};

} // namespace conformance

#endif
