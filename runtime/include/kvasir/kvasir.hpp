// SPDX-License-Identifier: MIT
// Kvasir's runtime in C++20: objects over kvasir.h that clean up after themselves and throw kvasir::Error. Contracts,
// costs and errors are those of the C functions.
//
//     kvasir::Model model("model.kvasir");
//     kvasir::State state = model.makeState();
//     kvasir::Logits logits = model.predict(state, model.tokenize("Once upon a time"));
//     kvasir::Sampler sampler;
//     int32_t next = sampler.sample(logits.last());
#ifndef KVASIR_KVASIR_HPP
#define KVASIR_KVASIR_HPP

#include "kvasir/state.hpp"

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvasir {
inline namespace v1 {

enum class Pinning : uint32_t { automatic = KVASIR_PIN_AUTOMATIC, on = KVASIR_PIN_ON, off = KVASIR_PIN_OFF };
enum class Wanted : uint32_t { last = KVASIR_WANTED_LAST, all = KVASIR_WANTED_ALL, none = KVASIR_WANTED_NONE };
enum class Special : uint8_t { asText, parsed };  ///< what spellings of control tokens in a text mean
enum class TextEnds : uint8_t { omitted, added }; ///< tokens that the model wants around a whole text

/// Fewer threads while other programs take their processors, or always all.
enum class TeamUse : uint32_t { adapts = KVASIR_TEAM_ADAPTS, fixed = KVASIR_TEAM_FIXED };

/// Plugins that were compiled though their functions lose state.
enum class Unverified : uint32_t { refuse = KVASIR_UNVERIFIED_REFUSE, take = KVASIR_UNVERIFIED_TAKE };

/// Run-time services: libraries that plugins use where the host offers them.
enum class Services : uint32_t { offered = KVASIR_SERVICES_OFFERED, none = KVASIR_SERVICES_NONE };

/// Weights in the file's pages, or in the process's own memory.
enum class Weights : uint32_t { mapped = KVASIR_WEIGHTS_MAPPED, copied = KVASIR_WEIGHTS_COPIED };

struct ModelOptions {
  uint32_t threads = 0; ///< 0: one for each core
  Pinning pinning = Pinning::automatic;
  Unverified unverified = Unverified::refuse;
  Services services = Services::offered;
  TeamUse teamUse = TeamUse::adapts;
  Weights weights = Weights::mapped;
};

/// Stops calls from another thread or a signal handler.
class Cancel {
public:
  Cancel() : handle(kvasir_cancel_make()) {
    if (!handle)
      throw std::bad_alloc();
  }
  void request() { kvasir_cancel_request(handle.get()); }
  void clear() { kvasir_cancel_clear(handle.get()); }
  const kvasir_cancel *get() const { return handle.get(); }

private:
  std::unique_ptr<kvasir_cancel, detail::Free<&kvasir_cancel_free>> handle;
};

/// Which form of a function with two is wished for.
enum class Wish : uint32_t { automatic = KVASIR_WISH_AUTOMATIC, opaque = KVASIR_WISH_OPAQUE };

struct CallOptions {
  Wanted wanted = Wanted::last;
  const Cancel *cancel = nullptr;
  kvasir_audit *audit = nullptr; ///< watches the call: audit.hpp
  Wish form = Wish::automatic;
};

/// Which form of a function ran.
enum class Form : uint32_t { single = KVASIR_FORM_SINGLE, raised = KVASIR_FORM_RAISED, opaque = KVASIR_FORM_OPAQUE };

/// New tokens for one conversation of a batch.
struct Sequence {
  State &state;
  std::span<const int32_t> ids;
};

/// Logits [W, V] of the wanted tokens. Its rows are valid as long as it is.
class Logits {
public:
  Logits(uint64_t rows, uint64_t vocabulary)
      : numRows(rows), width(vocabulary), values(std::make_unique_for_overwrite<float[]>(rows * vocabulary)) {}
  uint64_t rows() const { return numRows; }
  uint64_t vocabulary() const { return width; }
  std::span<const float> operator[](uint64_t row) const { return {values.get() + row * width, width}; }
  std::span<const float> last() const { return (*this)[numRows - 1]; }
  std::span<float> all() { return {values.get(), numRows * width}; }

private:
  uint64_t numRows, width;
  std::unique_ptr<float[]> values; ///< no vector: zeroing V floats would cost some % of a small model's step
};

/// A tensor by name for a call; its bytes must outlive the call. One dimension unless `dims` says more.
struct Input {
  template <typename T>
  Input(std::string name, const std::vector<T> &values, std::vector<uint64_t> dims = {})
      : name(std::move(name)), bytes(values.data()), sizeBytes(values.size() * sizeof(T)), element(elementOf(T{})),
        dims(dims.empty() ? std::vector<uint64_t>{values.size()} : std::move(dims)) {}
  /// Of any element type (KVASIR_F16, …).
  Input(std::string name, const void *bytes, uint64_t sizeBytes, uint32_t element, std::vector<uint64_t> dims)
      : name(std::move(name)), bytes(bytes), sizeBytes(sizeBytes), element(element), dims(std::move(dims)) {}

  std::string name;
  const void *bytes;
  uint64_t sizeBytes;
  uint32_t element;
  std::vector<uint64_t> dims;

private:
  static uint32_t elementOf(float) { return KVASIR_F32; }
  static uint32_t elementOf(double) { return KVASIR_F64; }
  static uint32_t elementOf(int8_t) { return KVASIR_I8; }
  static uint32_t elementOf(uint8_t) { return KVASIR_U8; }
  static uint32_t elementOf(int32_t) { return KVASIR_I32; }
  static uint32_t elementOf(int64_t) { return KVASIR_I64; }
};

/// The outputs of a call.
class Outputs {
public:
  uint64_t count() const { return kvasir_result_count(handle.get()); }
  kvasir_tensor operator[](uint64_t index) const { return kvasir_result_tensor(handle.get(), index); }

  kvasir_tensor operator[](std::string_view name) const {
    for (uint64_t i = 0; i < count(); ++i)
      if ((*this)[i].name == name)
        return (*this)[i];
    throw Error(KV_BAD_INPUT, ("no output is called '" + std::string(name) + "'").c_str());
  }

  /// The elements of an f32 output.
  std::span<const float> floats(std::string_view name) const {
    const kvasir_tensor tensor = (*this)[name];
    if (tensor.element != KVASIR_F32)
      throw Error(KV_BAD_INPUT, ("output '" + std::string(name) + "' is not f32").c_str());
    return {static_cast<const float *>(tensor.bytes), tensor.size_bytes / sizeof(float)};
  }

  Form form() const { return static_cast<Form>(kvasir_result_form(handle.get())); }

  /// Why it was not the raised form; empty unless it was the opaque one. Valid as long as the outputs.
  std::string_view reason() const { return kvasir_result_reason(handle.get()); }

private:
  friend class Model;
  explicit Outputs(kvasir_result *result) : handle(result) {}
  std::unique_ptr<kvasir_result, detail::Free<&kvasir_result_free>> handle;
};

/// Bytes, in all and of each slot in the description's order.
struct MemoryPlan {
  kvasir_plan_result totals;
  std::vector<uint64_t> slotBytes;
};

/// A loaded plugin. States, detokenizers and outputs may outlive it, but not a state's
/// `rows`, `write` and `registerValue`, nor `predict`.
class Model {
public:
  explicit Model(const std::string &path, const ModelOptions &options = {}) {
    const kvasir_model_options given{sizeof given,
                                     options.threads,
                                     static_cast<uint32_t>(options.pinning),
                                     static_cast<uint32_t>(options.unverified),
                                     static_cast<uint32_t>(options.services),
                                     static_cast<uint32_t>(options.teamUse),
                                     static_cast<uint32_t>(options.weights)};
    kvasir_model *model;
    detail::check(kvasir_model_open, path.c_str(), &given, &model);
    handle.reset(model);
  }

  const char *description() const { return kvasir_model_description(handle.get()); }

  kvasir_model_facts facts() const {
    kvasir_model_facts facts{};
    facts.size = sizeof facts;
    kvasir_model_get_facts(handle.get(), &facts);
    return facts;
  }

  /// What sequences of `context` tokens will take; 0: the model's context.
  MemoryPlan plan(uint64_t context = 0, uint32_t batch = 1) const {
    const kvasir_plan_options options{sizeof options, batch, context};
    MemoryPlan plan{{}, std::vector<uint64_t>(facts().slots)};
    plan.totals.size = sizeof plan.totals;
    detail::check(kvasir_plan, handle.get(), &options, &plan.totals, plan.slotBytes.data(),
                  uint64_t{plan.slotBytes.size()});
    return plan;
  }

  /// A conversation of at most `capacity` tokens; 0: the model's context.
  State makeState(uint64_t capacity = 0) const {
    const kvasir_state_options options{sizeof options, 0, capacity};
    kvasir_state *state;
    detail::check(kvasir_state_make, handle.get(), &options, &state);
    return {handle.get(), state};
  }

  /// The conversation that a file holds; capacity 0: the saved one.
  State loadState(const std::string &path, uint64_t capacity = 0) const {
    const kvasir_state_options options{sizeof options, 0, capacity};
    kvasir_state *state;
    detail::check(kvasir_state_load, handle.get(), path.c_str(), &options, &state);
    return {handle.get(), state};
  }

  Logits predict(State &state, std::span<const int32_t> ids, const CallOptions &options = {}) const {
    return predict({Sequence{state, ids}}, options);
  }

  Logits predict(State &state, std::initializer_list<int32_t> ids, const CallOptions &options = {}) const {
    return predict(state, std::span(ids.begin(), ids.size()), options);
  }

  /// All or nothing.
  Logits predict(const std::vector<Sequence> &sequences, const CallOptions &options = {}) const {
    std::vector<kvasir_sequence> given;
    uint64_t tokens = 0;
    for (const Sequence &sequence : sequences) {
      given.push_back({sequence.state.get(), sequence.ids.data(), sequence.ids.size()});
      tokens += sequence.ids.size();
    }
    const uint64_t rows = options.wanted == Wanted::all    ? tokens
                          : options.wanted == Wanted::last ? sequences.size()
                                                           : 0;
    Logits logits(rows, facts().vocabulary);
    const kvasir_call_options call = callOptions(options);
    detail::check(kvasir_predict, given.data(), given.size(), &call, logits.all().data(), logits.all().size());
    return logits;
  }

  /// Any function, with T new tokens for one state, as the inputs say.
  Outputs call(const std::string &function, State &state, const std::vector<Input> &inputs,
               const CallOptions &options = {}) const {
    kvasir_state *const states[] = {state.get()};
    return call(function, states, nullptr, inputs, options);
  }

  /// Any function, with counts[i] new tokens for each state.
  Outputs call(const std::string &function, std::span<kvasir_state *const> states, const uint64_t *counts,
               const std::vector<Input> &inputs, const CallOptions &options = {}) const {
    std::vector<kvasir_tensor> tensors;
    for (const Input &input : inputs) {
      kvasir_tensor tensor{input.name.c_str(), input.bytes, input.sizeBytes, input.element, 0, {}};
      for (const uint64_t dim : input.dims)
        if (tensor.rank < 8)
          tensor.dims[tensor.rank++] = dim;
      tensors.push_back(tensor);
    }
    const kvasir_call_options given = callOptions(options);
    kvasir_result *result;
    detail::check(kvasir_call, handle.get(), function.c_str(), states.data(), counts, states.size(), tensors.data(),
                  tensors.size(), &given, &result);
    return Outputs(result);
  }

  std::vector<int32_t> tokenize(std::string_view text, TextEnds ends = TextEnds::added,
                                Special special = Special::asText) const {
    const uint32_t flags =
        (ends == TextEnds::added ? KVASIR_ADD_SPECIAL : 0) | (special == Special::parsed ? KVASIR_PARSE_SPECIAL : 0);
    // One token a byte is the most, and a few around the text.
    std::vector<int32_t> ids(text.size() + 16);
    uint64_t count;
    detail::check(kvasir_tokenize, handle.get(), text.data(), text.size(), flags, ids.data(), ids.size(), &count);
    ids.resize(count);
    return ids;
  }

  /// Does the model end a text or a turn with this token?
  bool isEnd(int32_t id) const { return kvasir_is_end(handle.get(), id) != 0; }

  kvasir_model *get() const { return handle.get(); }

private:
  static kvasir_call_options callOptions(const CallOptions &options) {
    return {sizeof(kvasir_call_options),
            static_cast<uint32_t>(options.wanted),
            options.cancel ? options.cancel->get() : nullptr,
            options.audit,
            static_cast<uint32_t>(options.form),
            0};
  }

  std::unique_ptr<kvasir_model, detail::Free<&kvasir_model_free>> handle;
};

inline State State::moveTo(const Model &other, uint64_t *roundedSlots) {
  kvasir_state *moved;
  detail::check(kvasir_state_move, handle.get(), other.get(), static_cast<const kvasir_state_options *>(nullptr),
                &moved, roundedSlots);
  return {other.get(), moved};
}

/// Tokens to text as they come. `flags`: KVASIR_SHOW_SPECIAL, KVASIR_CONTINUES.
class Detokenizer {
public:
  explicit Detokenizer(const Model &model, uint32_t flags = 0) {
    kvasir_detokenizer *made;
    detail::check(kvasir_detokenizer_make, model.get(), flags, &made);
    handle.reset(made);
  }

  /// The text that this token completes, valid until the next push or finish.
  std::string_view push(int32_t id) {
    const char *text;
    size_t sizeBytes;
    detail::check(kvasir_detokenizer_push, handle.get(), id, &text, &sizeBytes);
    return {text, sizeBytes};
  }

  /// What is left at the end.
  std::string_view finish() {
    const char *text;
    size_t sizeBytes;
    detail::check(kvasir_detokenizer_finish, handle.get(), &text, &sizeBytes);
    return {text, sizeBytes};
  }

private:
  std::unique_ptr<kvasir_detokenizer, detail::Free<&kvasir_detokenizer_free>> handle;
};

/// How a token is chosen; 0 everywhere takes the likeliest.
struct SamplerOptions {
  float temperature = 0;
  uint32_t topK = 0;
  float topP = 1;
  float minP = 0;
  float repeatPenalty = 1;
  float presencePenalty = 0;
  float frequencyPenalty = 0;
  uint32_t penaltyTokens = 64;
  uint64_t seed = 0;
};

class Sampler {
public:
  explicit Sampler(const SamplerOptions &options = {}) {
    const kvasir_sampler_options given{sizeof given,
                                       options.topK,
                                       options.temperature,
                                       options.topP,
                                       options.minP,
                                       options.repeatPenalty,
                                       options.presencePenalty,
                                       options.frequencyPenalty,
                                       options.penaltyTokens,
                                       0,
                                       options.seed};
    kvasir_sampler *made;
    detail::check(kvasir_sampler_make, &given, &made);
    handle.reset(made);
  }

  /// Chooses from one row of logits; penalties look at what was accepted.
  int32_t sample(std::span<const float> logits) {
    int32_t id;
    detail::check(kvasir_sampler_sample, handle.get(), logits.data(), logits.size(), &id);
    return id;
  }

  void accept(int32_t id) { detail::check(kvasir_sampler_accept, handle.get(), id); }

private:
  std::unique_ptr<kvasir_sampler, detail::Free<&kvasir_sampler_free>> handle;
};

} // namespace v1
} // namespace kvasir

#endif
