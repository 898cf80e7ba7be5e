// SPDX-License-Identifier: MIT
// A call of a function on a batch of states: all of it happens, or none.
#ifndef KVASIR_RUNTIME_MODEL_CALL_H
#define KVASIR_RUNTIME_MODEL_CALL_H

#include "runtime/model/batch.h"
#include "runtime/model/model.h"
#include "runtime/model/observer.h"
#include "runtime/model/tensors.h"

#include <optional>

namespace kvasir::runtime {

/// Which form a caller wants of functions that have two.
enum class FormWish : uint32_t { automatic, opaque };

/// Which form ran. single: the function has no other.
enum class Form : uint32_t { single, raised, opaque };

struct CallRequest {
  size_t function = 0;
  std::vector<State *> states;  ///< [B], different ones; empty for a model without slots
  std::vector<uint64_t> counts; ///< [B] new tokens of each, >= 1; of a function that takes no tokens, one 0
  Wanted wanted = Wanted::last;
  const CancelFlag *cancel = nullptr;
  Observer *observer = nullptr; ///< null: nobody watches, at no cost
  OwnExtents extents{};         ///< of the function, from its inputs
  FormWish form = FormWish::automatic;
  std::optional<uint64_t> start = std::nullopt; ///< the one state is taken to this length first: see state/split.h

  Sizes sizes() const;
};

/// What a call by name gave, and how.
struct CallResult {
  std::vector<NamedOutput> outputs;
  Form form = Form::single;
  std::string whyOpaque; ///< in one line, if the raised form was not taken
};

/// Runs the function in as many executes as its limit of tokens asks for, inside one transaction. `inputs` and
/// `outputs` are whole tensors in the description's order, as long as the request's sizes say. Throws bad input,
/// `capacity`, `busy`, `cancelled`, out of memory or what the plugin failed with; the states are then as before.
void runCall(Model &model, const CallRequest &request, const std::vector<const uint8_t *> &inputs,
             const std::vector<uint8_t *> &outputs);

/// The same with tensors by name, which say what the function's own extents are. Where the function has a raised form
/// whose binds hold, that one runs; where the raised form refuses the call, the opaque one.
CallResult callFunction(Model &model, CallRequest request, const std::vector<NamedInput> &inputs);

/// New tokens in the first dim that counts them, or 1 if no input has one; 0 for a function that takes none.
uint64_t tokensInInputs(const FunctionDescription &function, const std::vector<NamedInput> &inputs);

/// Runs the model's function from ids to logits. `ids` are the sequences' one after the other; `logits` has one row of
/// V for each wanted token. Throws bad input for an id outside the vocabulary before anything runs.
void predict(Model &model, CallRequest request, const std::vector<int32_t> &ids, float *logits);

} // namespace kvasir::runtime

#endif
