// SPDX-License-Identifier: MIT
#include "runtime/tools/profile_report.h"

#include "runtime/tools/output.h"

#include <algorithm>
#include <cstdio>

namespace kvasir::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char *kArithmeticNames[kNumArithmetics] = {"int8", "bf16", "f32"};

/// What most of the limit is of: reading, or the arithmetic with most ops.
const char *boundOf(const ProfileRow &row) {
  if (row.limitSeconds <= 0)
    return "";
  if (row.readSeconds >= row.computeSeconds)
    return "read";
  return kArithmeticNames[std::ranges::max_element(row.numOps) - row.numOps.begin()];
}

size_t widthOf(std::string_view utf8) {
  return std::ranges::count_if(utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

std::string rowText(const ProfileRow &row, const Profile &profile, size_t nameWidth) {
  char line[160];
  std::snprintf(line, sizeof line, " %6.0f %10.1f  %5.1f%%", row.passes, row.seconds() * 1e6,
                100 * row.seconds() / profile.seconds);
  std::string text = "  " + row.name + std::string(nameWidth - widthOf(row.name), ' ') + line;
  if (row.limitSeconds > 0)
    std::snprintf(line, sizeof line, "  %5.2f of %-4s", row.limitSeconds / row.seconds(), boundOf(row));
  else
    std::snprintf(line, sizeof line, "  %5s   %-5s", "", "");
  text += line;
  std::snprintf(line, sizeof line, " %9.1f %9.1f %9.1f\n", row.workSeconds * 1e6, row.skewSeconds * 1e6,
                row.barrierSeconds * 1e6);
  return text + line;
}

Json rowJson(const ProfileRow &row, const Profile &profile) {
  Json numOps = Json::object();
  for (size_t i = 0; i < kNumArithmetics; ++i)
    if (row.numOps[i] > 0)
      numOps[kArithmeticNames[i]] = row.numOps[i];
  return {{"name", row.name},
          {"kernels", row.kernels},
          {"ops", row.ops},
          {"passes", row.passes},
          {"seconds", row.seconds()},
          {"share", row.seconds() / profile.seconds},
          {"work_s", row.workSeconds},
          {"skew_s", row.skewSeconds},
          {"barrier_s", row.barrierSeconds},
          {"bytes", row.bytes},
          {"multiply_adds", numOps},
          {"limit", boundOf(row)},
          {"limit_s", row.limitSeconds},
          {"limit_fraction", row.limitSeconds / row.seconds()}};
}

} // namespace

std::string profileText(const Profile &profile) {
  std::string what =
      profile.isPrefill ? "prefill of " + std::to_string(profile.tokens) + " tokens" : "decode of a token";
  if (profile.depth)
    what += " behind " + std::to_string(profile.depth);
  if (profile.sequences > 1)
    what += ", " + std::to_string(profile.sequences) + " sequences";
  const double scale = profile.seconds < 0.1 ? 1e3 : 1;
  const char *unit = scale == 1 ? " s" : " ms";
  size_t nameWidth = 4;
  for (const ProfileRow &row : profile.rows)
    nameWidth = std::max(nameWidth, widthOf(row.name));
  std::string text = what + ": " + fixedText(profile.seconds * scale, 3) + unit + ", unwatched " +
                     fixedText(profile.unwatchedSeconds * scale, 3) + unit + "\n  step" +
                     std::string(nameWidth - 4, ' ') +
                     " passes         us   share  of its limit      work      skew   barrier\n";
  for (const ProfileRow &row : profile.rows)
    text += rowText(row, profile, nameWidth);
  return text;
}

nlohmann::ordered_json profileJson(const Profile &profile, const Limits &limits) {
  Json steps = Json::array();
  for (const ProfileRow &row : profile.rows)
    steps.push_back(rowJson(row, profile));
  return {{"test", profile.isPrefill ? "prefill" : "decode"},
          {"tokens", profile.tokens},
          {"depth", profile.depth},
          {"batch", profile.sequences},
          {"threads", limits.threads},
          {"seconds", profile.seconds},
          {"unwatched_seconds", profile.unwatchedSeconds},
          {"steps", std::move(steps)}};
}

} // namespace kvasir::tools
