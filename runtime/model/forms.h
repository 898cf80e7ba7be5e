// SPDX-License-Identifier: MIT
// Which form of a function a call takes.
#ifndef KVASIR_RUNTIME_MODEL_FORMS_H
#define KVASIR_RUNTIME_MODEL_FORMS_H

#include "runtime/model/call.h"

namespace kvasir::runtime {

/// The raised form of a call of an opaque function, ready to be run.
struct RaisedCall {
  CallRequest request;
  std::vector<const uint8_t *> inputs; ///< in the raised function's order
  std::string whyNot;                  ///< in one line; empty if the form may be taken
};

/// Whether the raised form of the function computes what the call asks for, as far as its inputs say: not if a caller
/// asked for the opaque one. `outputs` are those that the opaque form would make. The request is one of a function
/// with a raised form, its inputs are of the right types.
RaisedCall raiseCall(const Model &model, const CallRequest &request, const std::vector<NamedInput> &inputs,
                     const std::vector<NamedOutput> &outputs);

} // namespace kvasir::runtime

#endif
