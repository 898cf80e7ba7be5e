// SPDX-License-Identifier: MIT
#include "runtime/model/forms.h"

#include "runtime/model/binds.h"

namespace kvasir::runtime {
namespace {

/// The two forms give the same tensors, or one of them is not what the other is.
void requireSameOutputs(const FunctionDescription &raised, const Sizes &sizes,
                        const std::vector<NamedOutput> &outputs) {
  for (size_t i = 0; i < outputs.size(); ++i)
    if (resolveDims(raised.outputs[i], sizes) != outputs[i].dims)
      throw Error(KV_BAD_INPUT, "output '" + outputs[i].name + "' of function " + raised.name + " has other dims");
}

} // namespace

RaisedCall raiseCall(const Model &model, const CallRequest &request, const std::vector<NamedInput> &inputs,
                     const std::vector<NamedOutput> &outputs) {
  const auto &functions = model.description().functions;
  RaisedCall call;
  if (request.form == FormWish::opaque)
    return {{}, {}, "the caller asked for the opaque form"};
  if (request.states.size() != 1)
    return {{}, {}, "the call has not one state"};
  const RaisedForm &form = *functions[request.function].raised;
  const BoundCall bound = bindCall(form, inputs, request.states[0]->capacity());
  if (!bound)
    return {{}, {}, bound.whyNot};
  call.request = request;
  call.request.function = model.raisedForm(request.function);
  const FunctionDescription &raised = functions[call.request.function];
  if (bound.count > raised.maxTokens)
    return {{}, {}, "the raised form takes at most " + std::to_string(raised.maxTokens) + " tokens"};
  call.request.counts = {bound.count};
  call.request.start = bound.start;
  try {
    call.request.extents = ownExtents(raised, inputs);
    call.inputs = orderInputs(raised, call.request.sizes(), inputs);
    requireSameOutputs(raised, call.request.sizes(), outputs);
  } catch (const Error &error) {
    call.whyNot = error.what();
  }
  return call;
}

} // namespace kvasir::runtime
