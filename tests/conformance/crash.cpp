// SPDX-License-Identifier: MIT
#include "tests/conformance/crash.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <unistd.h>

namespace conformance {
namespace {

char running[256] = "nothing yet";

void say(const char *text) { [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, std::strlen(text)); }

/// Only what a signal's handler may call. The signal's own effect follows.
void nameCrash(int signal) {
  say("\nkvasir-conformance: crashed in ");
  say(running);
  say(signal == SIGABRT ? ": aborted\n" : signal == SIGFPE ? ": SIGFPE\n" : ": memory that is not there\n");
  std::signal(signal, SIG_DFL);
  raise(signal);
}

} // namespace

void nameCrashes() {
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT})
    std::signal(signal, nameCrash);
}

void nowRuns(std::string_view what) {
  what = what.substr(0, sizeof running - 1);
  *std::copy(what.begin(), what.end(), running) = 0;
}

} // namespace conformance
