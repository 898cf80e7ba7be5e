// SPDX-License-Identifier: MIT
#include "runtime/tools/succession.h"

#include "runtime/tools/failed.h"

#include <charconv>
#include <cstdio>

namespace kvasir::tools {
namespace {

Switch parseSwitch(const std::string &given) {
  Switch parsed{};
  const char *end = given.data() + given.size();
  const auto [colon, error] = std::from_chars(given.data(), end, parsed.tokens);
  if (error != std::errc() || colon == end || *colon != ':' || colon + 1 == end)
    throw Misused("--switch takes a number of generated tokens and a file, as in 32:other.kvasir; found '" + given +
                  "'");
  parsed.path.assign(colon + 1, end);
  return parsed;
}

/// Asks it of a conversation without tokens: what is refused later is refused now.
void requireFollows(const Model &first, const Model &model, const std::string &path) {
  try {
    first.makeState().moveTo(model);
  } catch (const Error &error) {
    if (error.status() != KV_UNSUPPORTED)
      throw;
    throw Failed("can't go on with '" + path + "': " + error.what());
  }
}

} // namespace

std::vector<Switch> parseSwitches(const std::vector<std::string> &given, uint64_t maxTokens) {
  std::vector<Switch> switches;
  for (const std::string &text : given) {
    const Switch parsed = parseSwitch(text);
    if (!switches.empty() && parsed.tokens <= switches.back().tokens)
      throw Misused("--switch " + text + " is not behind the one after " + std::to_string(switches.back().tokens) +
                    " tokens");
    if (parsed.tokens >= maxTokens)
      throw Misused("--switch " + text + " is never reached: at most " + std::to_string(maxTokens) +
                    " tokens are generated (-n)");
    switches.push_back(parsed);
  }
  return switches;
}

Succession::Succession(const Model &first, const std::vector<Switch> &switches, const ModelOptions &options)
    : current(&first) {
  for (const auto &[tokens, path] : switches) {
    followers.push_back({tokens, path, std::make_unique<const Model>(path, options)});
    requireFollows(first, *followers.back().model, path);
  }
}

State Succession::goOn(State &state) {
  const Follower &follower = followers.at(next);
  uint64_t roundedSlots;
  State moved = state.moveTo(*follower.model, &roundedSlots);
  const std::string rounded = std::to_string(roundedSlots) + (roundedSlots == 1 ? " slot" : " slots");
  std::fprintf(stderr, "'%s' goes on after %llu generated tokens with the %llu tokens that are held, %s\n",
               follower.path.c_str(), static_cast<unsigned long long>(follower.tokens),
               static_cast<unsigned long long>(moved.length()),
               roundedSlots ? (rounded + " rounded to nearest, ties to even").c_str() : "to the bit");
  current = follower.model.get();
  ++next;
  return moved;
}

} // namespace kvasir::tools
