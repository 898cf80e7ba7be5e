// SPDX-License-Identifier: MIT
// The plugin's own functions against the C library's.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

extern "C" {
double plugin_exp(double x);
float plugin_expf(float x);
float plugin_exp2f(float x);
float plugin_tanhf(float x);
double plugin_log(double x);
float plugin_logf(float x);
float plugin_log1pf(float x);
float plugin_log2f(float x);
float plugin_powf(float x, float y);
float plugin_erff(float x);
double plugin_sin(double x);
double plugin_cos(double x);
void *plugin_memcpy(void *dst, const void *src, size_t sizeBytes);
void *plugin_memmove(void *dst, const void *src, size_t sizeBytes);
void *plugin_memset(void *dst, int byte, size_t sizeBytes);
int plugin_memcmp(const void *lhs, const void *rhs, size_t sizeBytes);
}

namespace {
/// Distance in units in the last place of the expected value.
template <typename T> double ulps(T found, T expected) {
  if (found == expected)
    return 0;
  T step = std::nextafter(std::fabs(expected), std::numeric_limits<T>::infinity()) - std::fabs(expected);
  return std::fabs(double(found) - double(expected)) / double(step);
}
} // namespace

TEST_CASE("exp is good to two units in double, and rounds rightly to single") {
  for (double x = -700; x < 700; x += 0.0371)
    CHECK(ulps(plugin_exp(x), std::exp(x)) <= 2);
  for (float x = -104; x < 88.5f; x += 0.00713f)
    CHECK(plugin_expf(x) == float(std::exp(double(x))));
  for (float x = -149; x < 128; x += 0.0113f)
    CHECK(ulps(plugin_exp2f(x), float(std::exp2(double(x)))) <= 1);
}

TEST_CASE("exp at its ends") {
  CHECK(plugin_exp(0) == 1);
  CHECK(plugin_expf(200) == std::numeric_limits<float>::infinity());
  CHECK(plugin_exp(std::numeric_limits<double>::infinity()) == std::numeric_limits<double>::infinity());
  CHECK(plugin_exp(-std::numeric_limits<double>::infinity()) == 0);
  CHECK(plugin_expf(-200) == 0);
  CHECK(std::isnan(plugin_exp(std::numeric_limits<double>::quiet_NaN())));
}

TEST_CASE("tanh") {
  for (float x = -12; x < 12; x += 0.00131f)
    CHECK(ulps(plugin_tanhf(x), float(std::tanh(double(x)))) <= 1);
  CHECK(plugin_tanhf(1000) == 1);
  CHECK(plugin_tanhf(-1000) == -1);
}

TEST_CASE("log, of numbers of every size") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (double x = 5e-324; x < 1e308; x = x * 1.37 + 1e-322)
    CHECK(ulps(plugin_log(x), std::log(x)) <= 2);
  for (double x = 0.5; x < 2; x += 0.00037)
    CHECK(ulps(plugin_log(x), std::log(x)) <= 3);
  for (float x = 1e-38f; x < 1e38f; x *= 1.0173f) {
    CHECK(plugin_logf(x) == float(std::log(double(x))));
    CHECK(ulps(plugin_log2f(x), float(std::log2(double(x)))) <= 1);
    CHECK(ulps(plugin_log1pf(x), float(std::log1p(double(x)))) <= 1);
  }
  CHECK(plugin_log(0) == -kInfinity);
  CHECK(plugin_log(kInfinity) == kInfinity);
  CHECK(std::isnan(plugin_log(-1)));
  CHECK(plugin_log(1) == 0);
}

TEST_CASE("powers") {
  for (float x = 1e-6f; x < 1e6f; x *= 1.3f)
    for (float y = -5; y < 5; y += 0.37f)
      CHECK(ulps(plugin_powf(x, y), float(std::pow(double(x), double(y)))) <= 1);
  for (float x : {-3.0f, -1.0f, -0.0f, 0.0f, 0.5f, 2.0f, -INFINITY, INFINITY})
    for (float y : {-INFINITY, -3.0f, -2.0f, -0.5f, 0.0f, 0.5f, 2.0f, 3.0f, INFINITY}) {
      const float expected = std::pow(x, y), found = plugin_powf(x, y);
      CAPTURE(x);
      CAPTURE(y);
      CHECK((std::isnan(expected) ? std::isnan(found)
                                  : found == expected && std::signbit(found) == std::signbit(expected)));
    }
}

TEST_CASE("erf") {
  for (float x = -6; x < 6; x += 0.00131f)
    CHECK(ulps(plugin_erff(x), float(std::erf(double(x)))) <= 1);
  for (float x = 1e-30f; x < 1; x *= 1.7f)
    CHECK(ulps(plugin_erff(x), float(std::erf(double(x)))) <= 1);
  CHECK(plugin_erff(INFINITY) == 1);
  CHECK(plugin_erff(-INFINITY) == -1);
}

TEST_CASE("sin and cos of every position that a context has") {
  // Near a zero the error is absolute: a part in 2^52 of a turn is what rope can feel.
  for (double x = 0; x < 1.6e6; x = x * 1.0003 + 0.011) {
    CHECK(std::fabs(plugin_sin(x) - std::sin(x)) <= 0x1p-51);
    CHECK(std::fabs(plugin_cos(x) - std::cos(x)) <= 0x1p-51);
    CHECK(plugin_sin(-x) == -plugin_sin(x));
  }
  for (int position : {1000000, 999999, 524288, 131071})
    CHECK(std::fabs(plugin_cos(position) - std::cos(double(position))) <= 0x1p-51);
}

TEST_CASE("memory functions, of every length and overlap") {
  std::string text(200, 0);
  for (size_t i = 0; i < text.size(); ++i)
    text[i] = char(i * 7 + 1);
  for (size_t size = 0; size < 70; ++size)
    for (size_t from : {0, 1, 15, 16, 17, 40})
      for (size_t to : {0, 1, 3, 16, 33, 41}) {
        std::string expected = text, found = text;
        std::memmove(&expected[to], &expected[from], size);
        plugin_memmove(&found[to], &found[from], size);
        CHECK(found == expected);
        std::string copy(200, 'x');
        plugin_memcpy(&copy[to], &text[from], size);
        CHECK(copy.compare(to, size, text, from, size) == 0);
        CHECK(copy[to + size] == 'x');
        CHECK(plugin_memcmp(&copy[to], &text[from], size) == 0);
        plugin_memset(&copy[to], 0x1a5, size);
        CHECK(copy.substr(to, size) == std::string(size, char(0xa5)));
        CHECK(copy[to + size] == 'x');
      }
}
