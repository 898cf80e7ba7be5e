// SPDX-License-Identifier: MIT
// oneDNN's matmul primitives of panels: made once, checked, run on the thread that asks.
#ifndef KVASIR_BACKENDS_ONEDNN_PRODUCTS_H
#define KVASIR_BACKENDS_ONEDNN_PRODUCTS_H

#include "backends/onednn/runtime/gemm.h"

#include <dnnl.hpp>

#include <map>
#include <optional>
#include <shared_mutex>
#include <string>

namespace kvasir::onednn {

struct Shape {
  uint32_t element;
  int64_t depth, columns, rows;
  auto operator<=>(const Shape &) const = default;
};

/// How a matrix [depth][columns] of this layout lies, if it can be said as an onednn_gemm_panel.
std::optional<onednn_gemm_panel> panelOf(const dnnl::memory::desc &matrix);

/// All products of a process. Safe to use from several threads.
class Products {
public:
  Products();

  struct Product {
    dnnl::matmul primitive; ///< null where `whyNot` says something
    dnnl::matmul::primitive_desc facts;
    onednn_gemm_panel panel = {};
    std::string whyNot;
  };

  /// Made at the first call for a shape, and the same for good. Without a fast one `whyNot` names what oneDNN offers.
  const Product &product(const Shape &shape);

  void multiply(const Shape &shape, const void *activations, void *panel, float *result);

  /// Does this machine multiply bf16, to oneDNN's mind?
  static bool hasBf16();

private:
  Product make(const Shape &shape) const;
  /// Whether sums of whole numbers, which f32 holds, come out as they are: all columns of the first and last row, for
  /// 32 rows of the panel or more.
  bool isRight(const Product &product, const Shape &shape) const;
  void run(const Product &product, const void *activations, void *panel, float *result) const;
  dnnl::memory::desc weightsOf(const Shape &shape) const;

  dnnl::engine engine;
  std::shared_mutex mutex;
  std::map<Shape, Product> made; // references to its elements stay
};

} // namespace kvasir::onednn

#endif
