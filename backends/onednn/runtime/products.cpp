// SPDX-License-Identifier: MIT
#include "backends/onednn/runtime/products.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <vector>

// Of the OpenMP runtime that oneDNN is linked with: naming another one's, as -fopenmp does, would bring a second.
extern "C" {
int omp_get_max_threads(void);
void omp_set_num_threads(int threads);
}

namespace kvasir::onednn {
namespace {

using dnnl::memory;

/// oneDNN runs on the calling thread alone meanwhile; the thread's own setting comes back.
class OneThread {
public:
  OneThread() : before(omp_get_max_threads()) { omp_set_num_threads(1); }
  OneThread(const OneThread &) = delete;
  ~OneThread() { omp_set_num_threads(before); }

private:
  int before;
};

/// Elements of the largest panel that is tried out when its product is made: a few milliseconds.
constexpr int64_t kMostTried = 1 << 22;

memory::data_type typeOf(uint32_t element) {
  return element == ONEDNN_GEMM_BF16 ? memory::data_type::bf16 : memory::data_type::f32;
}

/// Columns that a panel's memory has room for.
int64_t roomFor(int64_t columns) { return (columns + ONEDNN_GEMM_ROOM - 1) / ONEDNN_GEMM_ROOM * ONEDNN_GEMM_ROOM; }

int64_t elementBytes(uint32_t element) { return element == ONEDNN_GEMM_BF16 ? 2 : 4; }

/// In elements from the start.
int64_t offsetOf(const dnnl_blocking_desc_t &blocking, int64_t k, int64_t n) {
  int64_t index[2] = {k, n}, inner = 0, weight = 1;
  for (int block = blocking.inner_nblks - 1; block >= 0; --block) {
    int64_t &of = index[blocking.inner_idxs[block]];
    inner += of % blocking.inner_blks[block] * weight;
    of /= blocking.inner_blks[block];
    weight *= blocking.inner_blks[block];
  }
  return inner + index[0] * blocking.strides[0] + index[1] * blocking.strides[1];
}

int64_t perStep(memory::data_type type) { return type == memory::data_type::bf16 ? 2 : 1; }

int64_t offsetOf(const onednn_gemm_panel &panel, int64_t bytes, int64_t perStep, int64_t k, int64_t n) {
  return n / panel.block_columns * panel.block_bytes + k / perStep * panel.step_bytes +
         (n % panel.block_columns * perStep + k % perStep) * bytes;
}

std::string nameOf(const Shape &shape) {
  return (shape.element == ONEDNN_GEMM_BF16 ? "bf16 " : "f32 ") + std::to_string(shape.rows) + " x " +
         std::to_string(shape.depth) + " x " + std::to_string(shape.columns);
}

memory::desc plain(int64_t rows, int64_t columns, memory::data_type type) {
  return memory::desc({rows, columns}, type, memory::format_tag::ab);
}

dnnl::matmul::primitive_desc facts(const Shape &shape, const memory::desc &weights, const dnnl::engine &engine) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::matmul::desc wanted(plain(shape.rows, shape.depth, typeOf(shape.element)), weights,
                                  plain(shape.rows, shape.columns, memory::data_type::f32));
  return dnnl::matmul::primitive_desc(wanted, attributes, engine);
}

float valueAt(uint32_t element, const void *base, int64_t offsetBytes) {
  const auto *at = static_cast<const uint8_t *>(base) + offsetBytes;
  uint32_t bits = 0;
  std::memcpy(element == ONEDNN_GEMM_BF16 ? reinterpret_cast<uint8_t *>(&bits) + 2 : reinterpret_cast<uint8_t *>(&bits),
              at, elementBytes(element));
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// oneDNN wants zeros in columns that only a layout's blocks have.
void clearPadding(const dnnl_memory_desc_t &weights, const onednn_gemm_panel &panel, uint8_t *bytes) {
  const int64_t steps = perStep(static_cast<memory::data_type>(weights.data_type)), elements = steps == 2 ? 2 : 4;
  const int64_t columns = weights.dims[1], more = weights.padded_dims[1] - columns;
  for (int64_t k = 0; more && k < weights.dims[0]; k += steps)
    std::memset(bytes + offsetOf(panel, elements, steps, k, columns), 0, more * steps * elements);
}

/// The same by hand, for the case that oneDNN gets no memory while it multiplies.
void multiplyPlainly(const Shape &shape, const onednn_gemm_panel &panel, const void *activations, const void *weights,
                     float *result) {
  const int64_t bytes = elementBytes(shape.element), steps = perStep(typeOf(shape.element));
  for (int64_t m = 0; m < shape.rows; ++m)
    for (int64_t n = 0; n < shape.columns; ++n) {
      float sum = 0;
      for (int64_t k = 0; k < shape.depth; ++k)
        sum += valueAt(shape.element, activations, (m * shape.depth + k) * bytes) *
               valueAt(shape.element, weights, offsetOf(panel, bytes, steps, k, n));
      result[m * shape.columns + n] = sum;
    }
}

} // namespace

std::optional<onednn_gemm_panel> panelOf(const memory::desc &matrix) {
  const dnnl_memory_desc_t &facts = matrix.data;
  const int64_t depth = facts.dims[0], columns = facts.dims[1], steps = perStep(matrix.data_type());
  if (facts.ndims != 2 || facts.format_kind != dnnl_blocked || facts.offset0 != 0 || facts.padded_dims[0] != depth ||
      depth % steps != 0 || facts.padded_dims[1] > roomFor(columns))
    return std::nullopt;
  const int64_t bytes = steps == 2 ? 2 : 4;
  const auto &blocking = facts.format_desc.blocking;
  const auto at = [&](int64_t k, int64_t n) { return offsetOf(blocking, k, n) * bytes; };
  onednn_gemm_panel panel = {columns, 0, depth > steps ? at(steps, 0) : 0};
  for (int64_t n = 1; n < columns && panel.block_columns == columns; ++n)
    if (at(0, n) != n * steps * bytes)
      panel.block_columns = n, panel.block_bytes = at(0, n);
  if (panel.block_columns % 16 != 0)
    return std::nullopt;
  // Both offsets are sums of what k adds and what n adds: a row and a column tell all.
  for (int64_t k = 0; k < depth; ++k)
    if (at(k, 0) != offsetOf(panel, bytes, steps, k, 0))
      return std::nullopt;
  for (int64_t n = 0; n < columns; ++n)
    if (at(0, n) != offsetOf(panel, bytes, steps, 0, n))
      return std::nullopt;
  return panel;
}

Products::Products() : engine(dnnl::engine::kind::cpu, 0) {}

bool Products::hasBf16() {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  constexpr auto kBf16 = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (isa & kBf16) == kBf16;
}

/// As oneDNN would have it for a whole block of rows; another number of rows takes the same.
memory::desc Products::weightsOf(const Shape &shape) const {
  const auto as = [&](memory::format_tag tag) {
    return memory::desc({shape.depth, shape.columns}, typeOf(shape.element), tag);
  };
  const memory::desc best =
      facts({shape.element, shape.depth, shape.columns, ONEDNN_GEMM_ROWS}, as(memory::format_tag::any), engine)
          .weights_desc();
  // Of a matrix of 32 columns oneDNN 2.6.3 names a layout of 64 for AVX-512, and reads another: products are wrong.
  if (shape.columns != ONEDNN_GEMM_COLUMNS || best.data.padded_dims[1] == shape.columns)
    return best;
  return as(shape.element == ONEDNN_GEMM_BF16 ? memory::format_tag::BA16a32b2a : memory::format_tag::BA16a32b);
}

bool Products::isRight(const Product &product, const Shape &shape) const {
  const int64_t bytes = elementBytes(shape.element), steps = perStep(typeOf(shape.element));
  const auto number = [](int64_t i) { return float(i * 7919 % 7 - 3); };
  const auto store = [&](float value, std::vector<uint8_t> &to, int64_t offsetBytes) {
    const auto *from = reinterpret_cast<const uint8_t *>(&value);
    std::memcpy(&to[offsetBytes], from + (4 - bytes), bytes);
  };
  std::vector<uint8_t> activations(shape.rows * shape.depth * bytes),
      panel(shape.depth * roomFor(shape.columns) * bytes);
  std::vector<float> result(shape.rows * shape.columns), sums(result.size());
  // The others are zero, so that a try takes little longer than the product. An odd step meets both halves of pairs.
  const int64_t step = std::max<int64_t>(1, shape.depth / 32) | 1;
  for (int64_t k = 0; k < shape.depth; k += step) {
    for (int64_t n = 0; n < shape.columns; ++n)
      store(number(k * 3 + n), panel, offsetOf(product.panel, bytes, steps, k, n));
    for (const int64_t m : {int64_t(0), shape.rows - 1}) {
      store(number(m + k), activations, (m * shape.depth + k) * bytes);
      for (int64_t n = 0; n < shape.columns; ++n)
        sums[m * shape.columns + n] += number(m + k) * number(k * 3 + n);
    }
  }
  run(product, activations.data(), panel.data(), result.data());
  return result == sums;
}

Products::Product Products::make(const Shape &shape) const {
  Product product;
  const std::string name = "oneDNN's product " + nameOf(shape);
  try {
    const OneThread scope;
    const memory::desc weights = weightsOf(shape);
    product.facts = facts(shape, weights, engine);
    const std::string implementation = product.facts.impl_info_str();
    const std::optional<onednn_gemm_panel> panel = panelOf(weights);
    if (implementation.find("ref") != std::string::npos)
      product.whyNot = name + " is '" + implementation + "' here, which is slow";
    else if (!panel)
      product.whyNot = name + " takes weights in a layout that code can't write";
    if (!product.whyNot.empty())
      return product;
    product.panel = *panel;
    product.primitive = dnnl::matmul(product.facts);
    if (shape.depth * shape.columns <= kMostTried && !isRight(product, shape))
      product.whyNot = name + " is '" + implementation + "' here, which is wrong";
  } catch (const std::exception &error) {
    product.whyNot = name + " is not there: " + error.what();
  }
  return product;
}

const Products::Product &Products::product(const Shape &shape) {
  {
    const std::shared_lock lock(mutex);
    if (const auto found = made.find(shape); found != made.end())
      return found->second;
  }
  const std::unique_lock lock(mutex);
  const auto found = made.find(shape);
  return found != made.end() ? found->second : made.emplace(shape, make(shape)).first->second;
}

void Products::run(const Product &product, const void *activations, void *panel, float *result) const {
  clearPadding(product.facts.weights_desc().data, product.panel, static_cast<uint8_t *>(panel));
  const auto memoryAt = [&](const memory::desc &desc, const void *bytes) {
    return memory(desc, engine, const_cast<void *>(bytes));
  };
  const OneThread scope;
  thread_local std::vector<uint8_t> scratch;
  if (scratch.size() < product.facts.scratchpad_desc().get_size())
    scratch.resize(product.facts.scratchpad_desc().get_size());
  dnnl::stream stream(engine);
  product.primitive.execute(stream, {{DNNL_ARG_SRC, memoryAt(product.facts.src_desc(), activations)},
                                     {DNNL_ARG_WEIGHTS, memoryAt(product.facts.weights_desc(), panel)},
                                     {DNNL_ARG_DST, memoryAt(product.facts.dst_desc(), result)},
                                     {DNNL_ARG_SCRATCHPAD, memoryAt(product.facts.scratchpad_desc(), scratch.data())}});
  stream.wait();
}

void Products::multiply(const Shape &shape, const void *activations, void *panel, float *result) {
  const Product &known = product(shape);
  try {
    run(known, activations, panel, result);
  } catch (const std::exception &) {
    multiplyPlainly(shape, known.panel, activations, panel, result);
  }
}

} // namespace kvasir::onednn
