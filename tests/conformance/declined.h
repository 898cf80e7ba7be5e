// SPDX-License-Identifier: MIT
// What a backend says it declines, held against what it does decline.
#ifndef KVASIR_CONFORMANCE_DECLINED_H
#define KVASIR_CONFORMANCE_DECLINED_H

#include <string>
#include <vector>

namespace conformance {

/// The list of a backend: a line is a pattern of cases (* stands for anything) and, behind spaces, a pattern of the
/// reason that the backend gives. Lines that begin with # are comments.
class DeclinedList {
public:
  /// Without a path the list is not there, and nothing is held against it.
  explicit DeclinedList(const std::string &path);

  /// What is wrong with a case that was declined for this reason; empty if its line is there.
  std::string checkDeclined(const std::string &name, const std::string &reason);
  /// What is wrong with a case that was taken; empty if no line names it.
  std::string checkTaken(const std::string &name) const;
  /// Lines that no case was declined by.
  std::vector<std::string> unused() const;

private:
  struct Line {
    std::string name, reason;
    bool isUsed = false;
  };
  bool isGiven;
  std::vector<Line> lines;
};

} // namespace conformance

#endif
