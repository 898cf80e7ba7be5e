/* SPDX-License-Identifier: MIT
 *
 * The mathematical functions that generated code calls where no kernel has its own: plain, deterministic, and the same
 * on every machine. Only + - * / and conversions are used, each rounded once (-ffp-contract=off).
 */
#include <stdint.h>

#define HIDDEN __attribute__((visibility("hidden")))

static double bitsToDouble(uint64_t bits) {
  double value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

/* Nearest integer of |x| < 2^51, ties to even. */
static double roundToInteger(double x) {
  const double kShift = 6755399441055744.0; /* 1.5 * 2^52 */
  return (x + kShift) - kShift;
}

/* 2^n for any n that exp leaves, in two factors so that subnormal results are rounded once. */
static double scaleByPower(double x, int n) {
  int half = n / 2;
  return x * bitsToDouble((uint64_t)(1023 + half) << 52) * bitsToDouble((uint64_t)(1023 + n - half) << 52);
}

/* e^x in double: error below 2 units in the last place, so exact to rounding in single. x = n ln 2 + r, |r| <= 0.35;
 * Taylor to the 13th power leaves 2^-60. */
HIDDEN double exp(double x) {
  if (!(x == x))
    return x;
  if (x > 709.8)
    return __builtin_inf();
  if (x < -745.2)
    return 0;
  const double n = roundToInteger(x * 0x1.71547652b82fep+0);
  const double r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;
  static const double kInverseFactorials[] = {
      1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
      1.0 / 720,        1.0 / 120,       1.0 / 24,       1.0 / 6,       0.5,          1.0};
  double sum = kInverseFactorials[0];
  for (unsigned i = 1; i < sizeof kInverseFactorials / sizeof *kInverseFactorials; ++i)
    sum = sum * r + kInverseFactorials[i];
  return scaleByPower(1 + r * sum, (int)n);
}

HIDDEN float expf(float x) { return (float)exp(x); }

HIDDEN float exp2f(float x) { return (float)exp(x * 0x1.62e42fefa39efp-1); }

/* tanh x = 1 - 2 / (e^2x + 1); near 0 that cancels, in double by far less than single has. */
HIDDEN float tanhf(float x) {
  double power = exp(2.0 * x);
  if (power == __builtin_inf())
    return 1;
  return x > -1e-4f && x < 1e-4f ? x : (float)((power - 1) / (power + 1));
}

/* Taylor on |r| <= pi/4: the first term left out is below 2^-58. */
static double sineOf(double r) {
  const double s = r * r;
  double sum = 1.0 / 355687428096000;
  sum = sum * s - 1.0 / 1307674368000;
  sum = sum * s + 1.0 / 6227020800;
  sum = sum * s - 1.0 / 39916800;
  sum = sum * s + 1.0 / 362880;
  sum = sum * s - 1.0 / 5040;
  sum = sum * s + 1.0 / 120;
  sum = sum * s - 1.0 / 6;
  return r + r * s * sum;
}

static double cosineOf(double r) {
  const double s = r * r;
  double sum = 1.0 / 20922789888000;
  sum = sum * s - 1.0 / 87178291200;
  sum = sum * s + 1.0 / 479001600;
  sum = sum * s - 1.0 / 3628800;
  sum = sum * s + 1.0 / 40320;
  sum = sum * s - 1.0 / 720;
  sum = sum * s + 1.0 / 24;
  return 1 - (0.5 * s - s * s * sum);
}

/* x minus the nearest multiple of pi/2, and that multiple's quadrant. pi/2 in three parts of 33 bits, whose products
 * with n < 2^20 are exact: right to 2^-60 for |x| < 1.6e6, which no context's position times a frequency <= 1 exceeds.
 */
static double reduce(double x, unsigned *quadrant) {
  const double n = roundToInteger(x * 0x1.45f306dc9c883p-1);
  *quadrant = (unsigned)(int64_t)n & 3;
  const double kFirst = 0x1.921fb544p+0, kSecond = 0x1.0b4611a6p-34, kThird = 0x1.3198a2e037073p-69;
  return ((x - n * kFirst) - n * kSecond) - n * kThird;
}

HIDDEN double sin(double x) {
  unsigned quadrant;
  const double r = reduce(x, &quadrant);
  const double value = quadrant & 1 ? cosineOf(r) : sineOf(r);
  return quadrant & 2 ? -value : value;
}

HIDDEN double cos(double x) {
  unsigned quadrant;
  const double r = reduce(x, &quadrant);
  const double value = quadrant & 1 ? sineOf(r) : cosineOf(r);
  return quadrant == 1 || quadrant == 2 ? -value : value;
}

HIDDEN float sinf(float x) { return (float)sin(x); }

HIDDEN float cosf(float x) { return (float)cos(x); }

static uint64_t doubleToBits(double value) {
  uint64_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* ln x in double, below 2 units in the last place. x = m 2^n with m in [sqrt 1/2, sqrt 2): ln m = 2 artanh f, f = (m -
 * 1) / (m + 1), |f| < 0.1716: the first term left out of the series is below 2^-60 of it. */
HIDDEN double log(double x) {
  if (!(x > 0))
    return x == 0 ? -__builtin_inf() : __builtin_nan("");
  if (x == __builtin_inf())
    return x;
  const int isTiny = x < 0x1p-1022;
  uint64_t bits = doubleToBits(isTiny ? x * 0x1p54 : x);
  int n = (int)(bits >> 52) - 1023 - (isTiny ? 54 : 0);
  double m = bitsToDouble((bits & 0xfffffffffffffull) | 1023ull << 52);
  if (m > 0x1.6a09e667f3bcdp+0) {
    m *= 0.5;
    ++n;
  }
  const double f = (m - 1) / (m + 1), s = f * f;
  double sum = 0;
  for (int k = 23; k >= 3; k -= 2)
    sum = (sum + 1.0 / k) * s;
  const double kLow = 0x1.a39ef35793c76p-33, kHigh = 0x1.62e42feep-1;
  return n * kHigh + (2 * f + (2 * f * sum + n * kLow));
}

HIDDEN float logf(float x) { return (float)log(x); }

HIDDEN float log2f(float x) { return (float)(log(x) * 0x1.71547652b82fep+0); }

/* ln(1 + x): where 1 + x is rounded, what it lost is put back in first order. */
HIDDEN float log1pf(float x) {
  const double sum = 1.0 + (double)x;
  if (sum == 1.0 || sum == __builtin_inf())
    return x;
  return (float)(log(sum) + ((double)x - (sum - 1.0)) / sum);
}

/* Is a whole number odd? Those beyond 2^53 are even. */
static int isOdd(double whole) { return whole > -0x1p53 && whole < 0x1p53 && (int64_t)whole & 1; }

/* x^y = e^(y ln |x|) in double: right to single but where the result is within 2^-40 of half way between two. */
HIDDEN float powf(float x, float y) {
  if (y == 0 || x == 1)
    return 1;
  if (!(x == x) || !(y == y))
    return x + y;
  const int isWhole = y <= -0x1p24f || y >= 0x1p24f || (float)(int32_t)y == y;
  if (x < 0 && x != -__builtin_inff() && !isWhole)
    return __builtin_nanf("");
  const double size = x < 0 ? -(double)x : (double)x;
  const double power = size == 1 ? 1 : exp((double)y * log(size));
  return (float)(__builtin_signbitf(x) && isWhole && isOdd(y) ? -power : power);
}

/* erf x = 2 / sqrt pi e^(-x^2) sum over n of 2^n x^(2n + 1) / (1 3 … (2n + 1)): terms of one sign. Beyond 4 it rounds
 * to 1. */
HIDDEN float erff(float x) {
  if (!(x == x))
    return x;
  const double size = x < 0 ? -(double)x : (double)x;
  if (size > 4)
    return x < 0 ? -1 : 1;
  double term = size, sum = size;
  for (int n = 1; n < 100; ++n) {
    term = term * (2 * size * size) / (2 * n + 1);
    sum += term;
  }
  const double value = 0x1.20dd750429b6dp+0 * exp(-size * size) * sum;
  return (float)(x < 0 ? -value : value);
}
