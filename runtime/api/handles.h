// SPDX-License-Identifier: MIT
// What the handles of the C API are.
#ifndef KVASIR_RUNTIME_API_HANDLES_H
#define KVASIR_RUNTIME_API_HANDLES_H

#include "runtime/model/call.h"

#include "kvasir/kvasir.h"

#include <memory>

struct kvasir_model {
  std::shared_ptr<kvasir::runtime::Model> model;
};

struct kvasir_state {
  std::shared_ptr<kvasir::runtime::Model> model;
  std::unique_ptr<kvasir::runtime::State> state;
};

struct kvasir_cancel {
  kvasir::runtime::CancelFlag flag{false};
};

struct kvasir_result {
  std::vector<kvasir::runtime::NamedOutput> outputs;
};

#endif
