// SPDX-License-Identifier: MIT
#include "runtime/diff/report.h"

#include <cmath>
#include <cstdio>

namespace kvasir::runtime::diff {
namespace {

std::string numberText(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", number);
  return text;
}

std::string shareText(double share) {
  if (std::isinf(share))
    return "no number at all";
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", share);
  return text + std::string(" of the largest number there");
}

std::string layerText(const Place &place) {
  return place.isOutput ? "output " + place.slot : "slot " + place.slot + ", layer " + std::to_string(place.layer);
}

/// "slot v, layer 3, row 7".
std::string whereText(const Place &place) {
  return layerText(place) + (place.isRegister ? " after row " : ", row ") + std::to_string(place.row);
}

std::string elementText(const Place &place, uint64_t element) {
  if (place.isOutput || place.width == 0)
    return "number " + std::to_string(element);
  return "lane " + std::to_string(element % place.width) + " of head " + std::to_string(element / place.width);
}

std::string toleranceText(const Finding &finding) {
  const double tolerance = finding.difference.tolerance;
  if (finding.place.isInteger)
    return "integers are equal";
  return tolerance > 0 ? "rounding explains " + shareText(tolerance).substr(0, shareText(tolerance).find(' '))
                       : "equal numerics promise equal bits";
}

std::string differenceText(const Finding &finding) {
  const Difference &difference = finding.difference;
  return elementText(finding.place, difference.element) + " is " + numberText(difference.a) + " in A and " +
         numberText(difference.b) + " in B, apart by " + shareText(difference.share) + "; " + toleranceText(finding);
}

std::string callText(const Place &place) {
  return "function " + place.function + ", call of " + std::to_string(place.callTokens) +
         (place.callTokens == 1 ? " token" : " tokens") + (place.op.empty() ? "" : ", op " + place.op);
}

/// The first op that differs alone.
std::string opText(const Finding &finding) {
  const Place &place = finding.place;
  return "op " + place.op + " alone, with A's inputs, on " + std::to_string(place.callTokens) +
         (place.callTokens == 1 ? " token" : " tokens") + ": row " + std::to_string(place.row) + " (token " +
         std::to_string(place.token) + "), " + differenceText(finding);
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(width, text.size() + 2), ' ');
  return text;
}

std::string lineOf(const std::string &name, uint64_t count, const char *noun, const std::optional<Finding> &largest) {
  const std::string begin = "  " + padded(name, 14) + std::to_string(count) + " " + noun + ", ";
  if (!largest)
    return begin + "equal to the bit\n";
  return begin + "apart by at most " + shareText(largest->difference.share) + " (" +
         (largest->place.isOutput || !largest->place.slot.empty() ? whereText(largest->place) + "; " : "") +
         toleranceText(*largest) + ")\n";
}

/// The largest difference as a part of what rounding explains, over all that was compared.
template <typename List> double largestPart(const List &list) {
  double part = 0;
  for (const auto &each : list)
    if (each.largest)
      part = std::max(part, each.largest->difference.share / each.largest->difference.tolerance);
  return part;
}

std::string subjectLine(const char *letter, const Subject &subject) {
  return std::string(letter) + "  " + subject.path + ": " + subject.backend + ", " + subject.numerics + "\n";
}

} // namespace

const char *Report::result() const {
  const bool isRounded = numRerouted > 0 || std::max(largestPart(compared), largestPart(ops)) > 0;
  return !areEqual() ? "different" : isRounded ? "rounding" : "equal";
}

std::string Report::verdict() const {
  if (firstOp)
    return "different: " + opText(*firstOp);
  if (first)
    return "different: " + callText(first->place) + ": " + whereText(first->place) + " (token " +
           std::to_string(first->place.token) + "): " + differenceText(*first) +
           (origin.empty() ? "" : "; B's row is " + origin) + (suspects.empty() ? "" : "; " + suspects);
  const double part = std::max(largestPart(compared), largestPart(ops));
  if (part == 0 && numRerouted == 0)
    return "equal to the bit";
  char text[100];
  std::snprintf(text, sizeof text, "equal within rounding: the largest difference is %.2g of what rounding explains",
                part);
  return text;
}

std::string Report::text() const {
  std::string text = subjectLine("A", a) + subjectLine("B", b);
  if (!isSameModel)
    text += "they are of two models: fingerprints " + a.fingerprint + " and " + b.fingerprint + "\n";
  text +=
      std::to_string(numTokens) + " tokens in " + std::to_string(numCalls) + (numCalls == 1 ? " call\n" : " calls\n");
  for (const Compared &each : compared)
    text += lineOf(each.name, each.numRows, "rows", each.largest);
  if (numEnlarged > 0)
    text += std::to_string(numEnlarged) + " rows are where the model enlarges rounding: A's own move as far\n";
  if (numRerouted > 0)
    text += std::to_string(numRerouted) + " rows are where rounding chooses other experts, in A itself as often\n";
  if (!ops.empty())
    text += "each op alone, with A's inputs\n";
  for (const ComparedOp &each : ops)
    text += lineOf(each.at, each.numCalls, "calls", each.largest);
  if (!programs.empty())
    text += "the programs differ: " + programs + "\n";
  for (const std::string &note : notes)
    text += note + "\n";
  if (firstOp && first)
    text += "state: " + callText(first->place) + ": " + whereText(first->place) + " (token " +
            std::to_string(first->place.token) + "): " + differenceText(*first) +
            (origin.empty() ? "" : "; B's row is " + origin) + "\n";
  return text + verdict() + "\n";
}

} // namespace kvasir::runtime::diff
