// SPDX-License-Identifier: MIT
#include "tests/conformance/declined.h"

#include <fnmatch.h>

#include <fstream>
#include <stdexcept>

namespace conformance {
namespace {

bool matches(const std::string &pattern, const std::string &text) {
  return fnmatch(pattern.c_str(), text.c_str(), FNM_EXTMATCH) == 0;
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
    if (begin == std::string::npos || line.find_first_not_of('*', begin) == std::string::npos)
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

void DeclinedList::note(const std::string &op, const std::string &reason) {
  if (reason.empty())
    taken.insert(op);
  else
    reasons[op].insert(reason);
}

std::vector<std::string> DeclinedList::mistakes() const {
  std::vector<std::string> found;
  for (const Line &line : lines)
    if (!line.isUsed)
      found.push_back("has a line that no case needs: " + line.name + " " + line.reason);
  for (const auto &[op, given] : reasons)
    for (const std::string &reason : given)
      if (const std::string wrong = isGiven ? checkReason(op, reason) : ""; !wrong.empty())
        found.push_back("has a reason that is not so: " + wrong);
  return found;
}

std::string DeclinedList::checkReason(const std::string &op, const std::string &reason) const {
  const std::string noKernel = "there is no kernel for ";
  const bool isTaken = taken.contains(op);
  if (!isTaken && reason.find("only as part of a group") != std::string::npos)
    return op + " " + reason + ", and no program has it in one";
  if (reason.starts_with(noKernel) && reason.substr(noKernel.size(), reason.find(' ', noKernel.size())) != op)
    return op + " is declined since " + reason;
  return isTaken && reason == noKernel + op ? reason + ", and one takes it elsewhere" : "";
}

} // namespace conformance
