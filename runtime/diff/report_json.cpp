// SPDX-License-Identifier: MIT
#include "plugins/json_reader.h"
#include "runtime/diff/report.h"

#include <cmath>

namespace kvasir::runtime::diff {
namespace {

/// JSON has no infinity; null is a difference to or from what is no number.
Json numberJson(double number) { return std::isfinite(number) ? Json(number) : Json(nullptr); }

Json toJson(const Subject &subject) {
  return {{"path", subject.path},
          {"model", subject.model},
          {"backend", subject.backend},
          {"numerics", subject.numerics},
          {"fingerprint", subject.fingerprint}};
}

Json toJson(const std::optional<Finding> &finding) {
  if (!finding)
    return nullptr;
  const Place &place = finding->place;
  const Difference &difference = finding->difference;
  Json json = {{"function", place.function}, {"call_tokens", place.callTokens}};
  if (!place.op.empty()) {
    json["op"] = place.op;
    json["kind"] = place.kind;
  }
  if (!place.slot.empty())
    json[place.isOutput ? "output" : "slot"] = place.slot;
  if (!place.isOutput)
    json["layer"] = place.layer;
  json["row"] = place.row;
  json["token"] = place.token;
  json["element"] = difference.element;
  json["a"] = numberJson(difference.a);
  json["b"] = numberJson(difference.b);
  json["share"] = numberJson(difference.share);
  json["tolerance"] = difference.tolerance;
  return json;
}

} // namespace

std::string Report::json() const {
  Json list = Json::array(), alone = Json::array();
  for (const Compared &each : compared)
    list.push_back(
        {{each.isOutput ? "output" : "slot", each.name}, {"rows", each.numRows}, {"largest", toJson(each.largest)}});
  for (const ComparedOp &each : ops)
    alone.push_back({{"at", each.at}, {"op", each.op}, {"calls", each.numCalls}, {"largest", toJson(each.largest)}});
  return jsonText({{"format", 1},
                   {"a", toJson(a)},
                   {"b", toJson(b)},
                   {"same_model", isSameModel},
                   {"equal_bits_promised", promisesEqualBits},
                   {"tokens", numTokens},
                   {"calls", numCalls},
                   {"compared", list},
                   {"ops", alone},
                   {"enlarged", numEnlarged},
                   {"rerouted", numRerouted},
                   {"equal", areEqual()},
                   {"result", result()},
                   {"first", toJson(first)},
                   {"origin", origin},
                   {"first_op", toJson(firstOp)},
                   {"suspects", suspects},
                   {"programs", programs},
                   {"notes", notes},
                   {"verdict", verdict()}});
}

} // namespace kvasir::runtime::diff
