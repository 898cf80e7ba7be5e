/* SPDX-License-Identifier: MIT
 * The arithmetic of transformer.c, without any library: a plugin imports nothing. All of it in one fixed order, so that
 * the same token gives the same bits in any call. */
#ifndef KVASIR_TESTS_FOREIGN_ARITHMETIC_H
#define KVASIR_TESTS_FOREIGN_ARITHMETIC_H

#include <stdint.h>

/* The tensors whose numbers `weight` makes up. */
enum { EMBEDDING, QUERY, KEY, VALUE, OUTPUT, UP, DOWN, HEAD, TAP };

/* A pseudo-random number in [-1, 1) for each element of each tensor; rows and columns below 256. A real plugin reads
 * them from call->weights. */
static inline float weight(uint32_t tensor, uint32_t layer, uint32_t row, uint32_t column) {
  uint32_t bits = (tensor * 8 + layer) << 16 | row << 8 | column;
  bits = (bits ^ bits >> 16) * 0x7feb352du; /* Source: C. Wellons, lowbias32 */
  bits = (bits ^ bits >> 15) * 0x846ca68bu;
  bits ^= bits >> 16;
  return (float)((int32_t)(bits >> 8) - (1 << 23)) * 0x1p-23f;
}

/* out [rows] = scale * weights [rows, columns] x in [columns] */
static inline void multiply(uint32_t tensor, uint32_t layer, uint32_t rows, uint32_t columns, float scale,
                            const float *in, float *out) {
  for (uint32_t row = 0; row < rows; ++row) {
    float sum = 0;
    for (uint32_t column = 0; column < columns; ++column)
      sum += weight(tensor, layer, row, column) * in[column];
    out[row] = scale * sum;
  }
}

/* out [count] = in / sqrt(mean(in^2) + 1e-5); they may be the same */
static inline void normalise(const float *in, uint32_t count, float *out) {
  float sum = 0;
  for (uint32_t i = 0; i < count; ++i)
    sum += in[i] * in[i];
  const float scale = 1 / __builtin_sqrtf(sum / (float)count + 1e-5f);
  for (uint32_t i = 0; i < count; ++i)
    out[i] = scale * in[i];
}

/* e^x for x <= 0: 2^n times a polynomial of degree 6, within 1e-7 of it; 0 below -87. */
static inline float exponential(float x) {
  if (x < -87)
    return 0;
  const int32_t n = (int32_t)(x * 1.44269504f - 0.5f);
  const float r = x - (float)n * 0.69314718f;
  const float power = 1 + r * (1 + r * (0.5f + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720))))));
  const uint32_t bits = (uint32_t)(n + 127) << 23;
  float scale;
  __builtin_memcpy(&scale, &bits, sizeof scale);
  return scale * power;
}

/* Turns the pair (x, y) by position * 2^-octave radians: the turns of the position's bits, one after the other, each
 * the square of the one before. */
static inline void rotate(float *x, float *y, uint64_t position, uint32_t octave) {
  /* cos and sin of 2^-octave */
  static const double kTurns[4][2] = {{0.5403023058681398, 0.8414709848078965},
                                      {0.8775825618903728, 0.479425538604203},
                                      {0.9689124217106447, 0.24740395925452294},
                                      {0.992197667229329, 0.12467473338522769}};
  double c = kTurns[octave][0], s = kTurns[octave][1], re = 1, im = 0;
  for (; position; position >>= 1) {
    if (position & 1) {
      const double turned = re * c - im * s;
      im = re * s + im * c;
      re = turned;
    }
    const double squared = c * c - s * s;
    s = 2 * c * s;
    c = squared;
  }
  const float turned = (float)re * *x - (float)im * *y;
  *y = (float)im * *x + (float)re * *y;
  *x = turned;
}

#endif
