// SPDX-License-Identifier: MIT
// What the handles of the C API are.
#ifndef KVASIR_RUNTIME_API_HANDLES_H
#define KVASIR_RUNTIME_API_HANDLES_H

#include "runtime/api/model_text.h"
#include "runtime/audit/audit.h"
#include "runtime/model/call.h"
#include "runtime/text/detokenizer.h"
#include "runtime/text/sampling.h"

#include "kvasir/kvasir.h"

#include <memory>

struct kvasir_model {
  std::shared_ptr<kvasir::runtime::Model> model;
  std::shared_ptr<kvasir::runtime::ModelText> text;
  std::string description; ///< JSON
  uint64_t weightsBytes;
};

struct kvasir_state {
  std::shared_ptr<kvasir::runtime::Model> model;
  std::unique_ptr<kvasir::runtime::State> state;
};

struct kvasir_cancel {
  kvasir::runtime::CancelFlag flag{false};
};

struct kvasir_audit {
  std::shared_ptr<kvasir::runtime::Model> model;
  std::unique_ptr<kvasir::runtime::audit::LiveAudit> live; ///< null: `report` is all there is
  std::optional<kvasir::runtime::audit::Report> report;    ///< of `live`: as of the last call
  std::string text, json, html;                            ///< made when they are asked for

  const kvasir::runtime::audit::Report &current();
};

struct kvasir_result {
  kvasir::runtime::CallResult call;
};

struct kvasir_detokenizer {
  std::shared_ptr<kvasir::runtime::ModelText> vocabulary; ///< the detokenizer reads its bytes
  kvasir::Detokenizer detokenizer;
  std::string text; ///< what the last push or finish returned
};

struct kvasir_sampler {
  kvasir::Sampler sampler;
};

#endif
