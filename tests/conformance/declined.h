// SPDX-License-Identifier: MIT
// What a backend says it declines, held against what it does decline.
#ifndef KVASIR_CONFORMANCE_DECLINED_H
#define KVASIR_CONFORMANCE_DECLINED_H

#include <map>
#include <set>
#include <string>
#include <vector>

namespace conformance {

/// The list of a backend: a line is a pattern of cases (* stands for anything, !(a.*|b.*) for anything else than these)
/// and, behind spaces, a pattern of the reason that the backend gives. Lines that begin with # are comments.
class DeclinedList {
public:
  /// Without a path the list is not there, and nothing is held against it.
  explicit DeclinedList(const std::string &path);

  /// What is wrong with a case that was declined for this reason; empty if its line is there.
  std::string checkDeclined(const std::string &name, const std::string &reason);
  /// What is wrong with a case that was taken; empty if no line names it.
  std::string checkTaken(const std::string &name) const;
  /// What became of an op in any program: declined for a reason, or taken if that is empty.
  void note(const std::string &op, const std::string &reason);
  /// After all programs: lines that no case was declined by, and reasons that are not so. Where "OP has a kernel only
  /// as part of a group", some program has it in one; "there is no kernel for OP" is said of that op, and none takes
  /// it.
  std::vector<std::string> mistakes() const;

private:
  /// What is wrong with a reason, after all programs; empty if it may be so.
  std::string checkReason(const std::string &op, const std::string &reason) const;

  struct Line {
    std::string name, reason;
    bool isUsed = false;
  };
  bool isGiven;
  std::vector<Line> lines;
  std::map<std::string, std::set<std::string>> reasons; ///< by op that is declined somewhere
  std::set<std::string> taken;                          ///< ops that are taken somewhere
};

} // namespace conformance

#endif
