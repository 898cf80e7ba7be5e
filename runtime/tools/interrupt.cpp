// SPDX-License-Identifier: MIT
#include "runtime/tools/interrupt.h"

#include <atomic>
#include <csignal>

namespace kvasir::tools {
namespace {

// What the handler may touch: it can't be given anything.
std::atomic<Cancel *> receiver{nullptr};
std::atomic<bool> isRequested{false};

void request(int signal) {
  isRequested = true;
  if (Cancel *cancel = receiver)
    cancel->request();
  std::signal(signal, SIG_DFL);
}

} // namespace

Interrupt::Interrupt() {
  receiver = &cancelled;
  std::signal(SIGINT, request);
  std::signal(SIGTERM, request);
}

Interrupt::~Interrupt() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  receiver = nullptr;
}

bool Interrupt::wasRequested() const { return isRequested; }

} // namespace kvasir::tools
