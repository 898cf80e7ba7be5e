// SPDX-License-Identifier: MIT
#include "tests/conformance/declined.h"

#include <fnmatch.h>

#include <fstream>
#include <stdexcept>

namespace conformance {
namespace {

bool matches(const std::string &pattern, const std::string &text) {
  return fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

} // namespace

DeclinedList::DeclinedList(const std::string &path) : isGiven(!path.empty()) {
  std::ifstream file(path);
  if (isGiven && !file)
    throw std::runtime_error(path + ": cannot be read");
  for (std::string line; std::getline(file, line);) {
    const size_t end = line.find(' '), begin = line.find_first_not_of(' ', end);
    if (line.empty() || line[0] == '#')
      continue;
    if (begin == std::string::npos)
      throw std::runtime_error(path + ": '" + line + "' has no reason");
    lines.push_back({line.substr(0, end), line.substr(begin)});
  }
}

std::string DeclinedList::checkDeclined(const std::string &name, const std::string &reason) {
  if (!isGiven)
    return "";
  for (Line &line : lines)
    if (matches(line.name, name) && matches(line.reason, reason)) {
      line.isUsed = true;
      return "";
    }
  return "is declined and not listed: " + reason;
}

std::string DeclinedList::checkTaken(const std::string &name) const {
  for (const Line &line : lines)
    if (matches(line.name, name))
      return "is listed as declined (" + line.reason + "), and taken";
  return "";
}

std::vector<std::string> DeclinedList::unused() const {
  std::vector<std::string> names;
  for (const Line &line : lines)
    if (!line.isUsed)
      names.push_back(line.name + " " + line.reason);
  return names;
}

} // namespace conformance
