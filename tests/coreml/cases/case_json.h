// SPDX-License-Identifier: MIT
// What the files of a folder of cases say, checked as it is read. Everything throws std::runtime_error with one line.
#ifndef KVASIR_TESTS_COREML_CASES_CASE_JSON_H
#define KVASIR_TESTS_COREML_CASES_CASE_JSON_H

#include "runtime/imported/tensor.h"

#include <filesystem>
#include <nlohmann/json.hpp>

namespace kvasir::coreml_cases {

using Json = nlohmann::json;

/// Parses a file.
Json readJson(const std::filesystem::path &path);

/// The whole of a file.
std::vector<uint8_t> readBytes(const std::filesystem::path &path);

/// A member that must be there.
const Json &member(const Json &object, const char *name);
std::string textOf(const Json &object, const char *name);

/// Numbers, and "inf", "-inf", "nan".
double numberOf(const Json &value);
uint64_t countOf(const Json &value);

/// [2, 3]: at most 8 dims, and no more elements than a test would have.
std::vector<uint64_t> dimsOf(const Json &shape);

/// "fp16", "int32", …
ElementType elementOf(const Json &dtype);

/// An input: `values`, or one of the generators causal, visible, const and lcg.
imported::Tensor makeInput(const Json &input);

} // namespace kvasir::coreml_cases

#endif
