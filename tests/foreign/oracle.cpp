// SPDX-License-Identifier: MIT
#include "tests/foreign/oracle.h"

#include <algorithm>
#include <cmath>

namespace kvasir::test {
namespace {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;

enum Tensor : uint32_t { embedding, query, key, value, output, up, down, head, tap };

double weight(uint32_t tensor, uint32_t layer, uint32_t row, uint32_t column) {
  uint32_t bits = (tensor * 8 + layer) << 16 | row << 8 | column;
  bits = (bits ^ bits >> 16) * 0x7feb352d;
  bits = (bits ^ bits >> 15) * 0x846ca68b;
  bits ^= bits >> 16;
  return double(bits >> 8) / (1 << 23) - 1;
}

Vector multiplied(Tensor tensor, uint32_t layer, uint32_t rows, double scale, const Vector &in) {
  Vector out(rows);
  for (uint32_t row = 0; row < rows; ++row)
    for (uint32_t column = 0; column < in.size(); ++column)
      out[row] += scale * weight(tensor, layer, row, column) * in[column];
  return out;
}

Vector normalised(Vector in) {
  double sum = 0;
  for (const double x : in)
    sum += x * x;
  for (double &x : in)
    x /= std::sqrt(sum / 32 + 1e-5);
  return in;
}

void rotate(Vector &lanes, size_t position) {
  for (size_t i = 0; i < lanes.size(); i += 2) {
    const double angle = double(position) / double(1 << i % 8 / 2), x = lanes[i], y = lanes[i + 1];
    lanes[i] = std::cos(angle) * x - std::sin(angle) * y;
    lanes[i + 1] = std::sin(angle) * x + std::cos(angle) * y;
  }
}

/// Four query heads on two of keys and values; eight lanes each.
Vector attended(const Vector &q, const Matrix &k, const Matrix &v, size_t numRows) {
  Vector out(32);
  for (size_t head = 0; head < 4; ++head) {
    const size_t from = head * 8, lane = head / 2 * 8;
    Vector shares(numRows);
    for (size_t row = 0; row < numRows; ++row)
      for (size_t d = 0; d < 8; ++d)
        shares[row] += q[from + d] * k[row][lane + d] / std::sqrt(8.0);
    const double largest = *std::ranges::max_element(shares);
    double total = 0;
    for (double &share : shares)
      total += share = std::exp(share - largest);
    for (size_t row = 0; row < numRows; ++row)
      for (size_t d = 0; d < 8; ++d)
        out[from + d] += shares[row] / total * v[row][lane + d];
  }
  return out;
}

void add(Vector &sum, const Vector &more) {
  for (size_t i = 0; i < sum.size(); ++i)
    sum[i] += more[i];
}

} // namespace

Oracle::Oracle(const std::vector<int32_t> &ids, bool hasRegister) {
  Matrix x;
  for (const int32_t id : ids)
    for (x.emplace_back(32); double &lane : x.back())
      lane = weight(embedding, 0, uint32_t(id), uint32_t(&lane - x.back().data()));
  for (uint32_t layer = 0; layer < 6; ++layer) {
    Matrix in, q, keys, values;
    for (const Vector &token : x)
      in.push_back(normalised(token));
    for (size_t t = ids.size(); hasRegister && t-- > 0;) // backwards: those before are still unmixed
      for (uint32_t back = 1; back <= std::min<size_t>(t, 2); ++back)
        for (uint32_t e = 0; e < 32; ++e)
          in[t][e] += 0.5 * weight(tap, layer, back, e) * in[t - back][e];
    for (size_t t = 0; t < ids.size(); ++t) {
      q.push_back(multiplied(query, layer, 32, 0.3, in[t]));
      keys.push_back(multiplied(key, layer, 16, 0.3, in[t]));
      values.push_back(multiplied(value, layer, 16, 0.3, in[t]));
      rotate(q[t], t);
      rotate(keys[t], t);
    }
    for (size_t t = 0; t < ids.size(); ++t) {
      add(x[t], multiplied(output, layer, 32, 0.3, attended(q[t], keys, values, t + 1)));
      Vector wide = multiplied(up, layer, 64, 0.3, normalised(x[t]));
      for (double &lane : wide)
        lane = std::max(lane, 0.0);
      add(x[t], multiplied(down, layer, 32, 0.2, wide));
    }
    k.push_back(keys);
    v.push_back(values);
  }
  for (const Vector &token : x)
    logits.push_back(multiplied(head, 0, 64, 0.5, normalised(token)));
}

} // namespace kvasir::test
