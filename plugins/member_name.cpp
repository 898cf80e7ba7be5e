// SPDX-License-Identifier: MIT
#include "plugins/member_name.h"

#include <algorithm>

namespace kvasir {
namespace {

/// Where a pattern has its braces: [begin, end), with nothing but digits and commas within.
struct Braces {
  size_t begin, end;

  std::string_view list(std::string_view pattern) const { return pattern.substr(begin + 1, end - begin - 2); }
};

std::optional<Braces> findBraces(std::string_view pattern) {
  const size_t begin = pattern.find('{');
  if (begin == std::string_view::npos)
    return std::nullopt;
  const size_t end = pattern.find_first_not_of("0123456789,", begin + 1);
  if (end == std::string_view::npos || pattern[end] != '}')
    return std::nullopt;
  return Braces{begin, end + 1};
}

} // namespace

std::optional<uint64_t> numListed(std::string_view pattern) {
  const std::optional<Braces> braces = findBraces(pattern);
  if (!braces || braces->list(pattern).empty())
    return std::nullopt;
  return uint64_t(std::ranges::count(braces->list(pattern), ',')) + 1;
}

std::string withoutNumbers(std::string_view pattern, std::string_view replacement) {
  std::string name(pattern);
  if (const std::optional<Braces> braces = findBraces(pattern))
    name.replace(braces->begin, braces->end - braces->begin, replacement);
  return name;
}

std::string memberName(std::string_view pattern, uint64_t member) {
  const std::optional<uint64_t> listed = numListed(pattern);
  if (!listed)
    return withoutNumbers(pattern, std::to_string(member));
  if (member >= *listed)
    return std::string(pattern);
  std::string_view rest = findBraces(pattern)->list(pattern);
  for (; member; --member)
    rest.remove_prefix(rest.find(',') + 1);
  return withoutNumbers(pattern, rest.substr(0, rest.find(',')));
}

std::string patternOfMembers(std::string_view pattern, const std::vector<uint64_t> &numbers) {
  std::string list;
  for (const uint64_t number : numbers)
    list += (list.empty() ? "{" : ",") + std::to_string(number);
  return withoutNumbers(pattern, list + "}");
}

} // namespace kvasir
