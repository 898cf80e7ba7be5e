// SPDX-License-Identifier: MIT
// Plugins built against a header with fewer fields, ours, and one with more, in hosts of each.
#include "runtime/model/call.h"
#include "tests/foreign/bare_host.h"

#include <csignal>
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace kvasir;
using namespace kvasir::test;

namespace {

constexpr HostVersion kVersions[] = {HostVersion::fewer, HostVersion::same, HostVersion::more};

struct Ran {
  std::vector<float> logits;
  std::vector<float> keys;
  uint64_t added = 0;
};

/// Five tokens and then seven.
Ran runWith(const Foreign &plugin, const BareOptions &options) {
  Conversation conversation(0.25f);
  Ran ran;
  for (const size_t count : {5, 7}) {
    const BareResult result = callBare(plugin, {&conversation}, {foreignIds(count, count)}, options);
    CHECK(result.status == KV_OK);
    ran.logits.insert(ran.logits.end(), result.logits.begin(), result.logits.end());
    ran.added = result.added;
  }
  ran.keys = conversation.rows[0];
  return ran;
}

} // namespace

TEST_CASE("plugins of a header with fewer fields, ours and one with more, in hosts of each") {
  const Ran expected = runWith(Foreign("right"), {});
  for (const HostVersion version : kVersions)
    for (const char *name : {"fewer", "right", "more"}) {
      CAPTURE(int(version));
      CAPTURE(name);
      const Ran ran = runWith(Foreign(name), {.version = version});
      CHECK(ran.logits == expected.logits);
      CHECK(ran.keys == expected.keys);
    }
}

TEST_CASE("a field that both sides have is read and answered; the default holds where one has not") {
  const Ran expected = runWith(Foreign("right"), {});
  for (const HostVersion version : kVersions)
    for (const char *name : {"fewer", "right", "more"}) {
      CAPTURE(int(version));
      CAPTURE(name);
      const bool both = version == HostVersion::more && name == std::string("more");
      const Ran ran = runWith(Foreign(name), {.version = version, .added = 3});
      CHECK(ran.logits[0] == expected.logits[0] + (both ? 3.0f : 0.0f));
      CHECK(ran.added == (both ? 42 : 0));
    }
}

TEST_CASE("the runtime runs all three") {
  const auto ids = foreignIds(100, 9);
  std::vector<float> expected;
  for (const char *name : {"right", "fewer", "more"}) {
    const auto foreign = std::make_shared<Foreign>(name);
    runtime::Model model({foreign->table, foreign->loaded->description(), nullptr, foreign}, {2});
    const auto state = model.makeState(0);
    runtime::CallRequest request;
    request.states = {state.get()};
    request.counts = {ids.size()};
    std::vector<float> logits(kVocabulary);
    runtime::predict(model, request, ids, logits.data());
    if (expected.empty())
      expected = logits;
    CHECK(logits == expected);
  }
}

TEST_CASE("a field that is read without asking whether it is there ends the process") {
  const Foreign blind("reads_blindly");
  CHECK(runWith(blind, {.version = HostVersion::more}).logits == runWith(Foreign("right"), {}).logits);
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    runWith(blind, {});
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSEGV);
}
