// SPDX-License-Identifier: MIT
// Ctrl-C as a request.
#ifndef KVASIR_RUNTIME_TOOLS_INTERRUPT_H
#define KVASIR_RUNTIME_TOOLS_INTERRUPT_H

#include "kvasir/kvasir.hpp"

namespace kvasir::tools {

/// While it lives, the first SIGINT or SIGTERM asks calls to stop and the second one kills. One at a time.
class Interrupt {
public:
  Interrupt();
  Interrupt(const Interrupt &) = delete;
  ~Interrupt();

  bool wasRequested() const;
  const Cancel &cancel() const { return cancelled; }

private:
  Cancel cancelled;
};

} // namespace kvasir::tools

#endif
