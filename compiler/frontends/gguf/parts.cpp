// SPDX-License-Identifier: MIT
// Models in several files, as gguf-split writes them: the first has the metadata, each has some of the tensors.
#include "compiler/frontends/gguf/reader.h"

#include <cstdio>

namespace kvasir::gguf {
namespace {

// Source: llama.cpp, llama_split_path and the keys of LLM_KV_SPLIT.
constexpr const char *kCountKey = "split.count", *kNumberKey = "split.no", *kTensorsKey = "split.tensors.count";
constexpr uint64_t kMostParts = UINT16_MAX; // the type of split.count

/// How the name of part `part` of `count` ends, counted from zero.
std::string endOfName(uint64_t part, uint64_t count) {
  char end[64];
  std::snprintf(end, sizeof(end), "-%05llu-of-%05llu.gguf", static_cast<unsigned long long>(part + 1),
                static_cast<unsigned long long>(count));
  return end;
}

std::string nameOf(uint64_t part, uint64_t count) {
  return "part " + std::to_string(part + 1) + " of " + std::to_string(count);
}

std::string_view lastComponent(std::string_view path) { return path.substr(path.rfind('/') + 1); }

uint64_t numberOf(const File &file, std::string_view key) {
  const Value *value = file.find(key);
  return value ? value->asUnsigned().value_or(UINT64_MAX) : 0;
}

} // namespace

Result<File> File::open(const std::string &path) {
  Result<File> given = openOne(path);
  if (!given)
    return given;
  const uint64_t count = numberOf(*given, kCountKey), part = numberOf(*given, kNumberKey);
  if (count <= 1)
    return given;
  if (count > kMostParts || part >= count)
    return Failure{"says that it is a part of a model in several files, but not which of how many"};
  const std::string end = endOfName(part, count);
  if (!path.ends_with(end))
    return Failure{"is " + nameOf(part, count) + " of a model; the others are found by its name, which must end in '" +
                   end + "'"};
  return openParts(path.substr(0, path.size() - end.size()), count);
}

Result<File> File::openPart(const std::string &stem, uint64_t part, uint64_t count) {
  const std::string path = stem + endOfName(part, count);
  const std::string name = nameOf(part, count) + ", " + inQuotes(lastComponent(path)) + ": ";
  Result<File> file = openOne(path);
  if (!file)
    return Failure{name + file.message()};
  if (numberOf(*file, kCountKey) != count || numberOf(*file, kNumberKey) != part)
    return Failure{name + "is another part, or of another model"};
  return file;
}

Result<File> File::openParts(const std::string &stem, uint64_t count) {
  Result<File> whole = openPart(stem, 0, count);
  for (uint64_t part = 1; whole && part < count; ++part) {
    Result<File> next = openPart(stem, part, count);
    if (!next)
      return next;
    if (Status status = whole->append(std::move(*next)); !status)
      return Failure{nameOf(part, count) + " " + status.message()};
  }
  const Value *expected = whole ? whole->find(kTensorsKey) : nullptr;
  if (expected && expected->asSigned() != int64_t(whole->table.size()))
    return Failure{"says that its parts have " + expected->summary() + " tensors; they have " +
                   std::to_string(whole->table.size())};
  return whole;
}

Status File::append(File part) {
  for (const Tensor &tensor : part.table) {
    if (!tensorIndices.emplace(tensor.name, table.size()).second)
      return Failure{"has tensor " + inQuotes(tensor.name) + ", which an earlier part has, too"};
    table.push_back(tensor);
  }
  mapping.push_back(std::move(part.mapping.front()));
  return Done{};
}

} // namespace kvasir::gguf
