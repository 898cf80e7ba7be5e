// SPDX-License-Identifier: MIT
// Errors and conversations of kvasir.hpp, which is what hosts include.
#ifndef KVASIR_STATE_HPP
#define KVASIR_STATE_HPP

#include "kvasir/kvasir.h"

#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace kvasir {
inline namespace v1 {

/// A status that is not KV_OK; what() is the runtime's line.
class Error : public std::runtime_error {
public:
  Error(kv_status status, const char *message) : std::runtime_error(message), code(status) {}
  kv_status status() const { return code; }

private:
  kv_status code;
};

namespace detail {

/// Runs a C function that ends in (message, message_bytes); throws what it fails with.
template <typename Function, typename... Arguments> void check(Function function, Arguments... arguments) {
  char message[512];
  if (const kv_status status = function(arguments..., message, sizeof message); status != KV_OK)
    throw Error(status, message);
}

template <auto free> struct Free {
  template <typename Handle> void operator()(Handle *handle) const { free(handle); }
};

} // namespace detail

class Model;

/// One conversation.
class State {
public:
  uint64_t length() const { return kvasir_state_length(handle.get()); }
  uint64_t capacity() const { return kvasir_state_capacity(handle.get()); }
  void reset() { detail::check(kvasir_state_reset, handle.get()); }

  /// Another conversation that goes on from here.
  State fork() {
    kvasir_state *branch;
    detail::check(kvasir_state_fork, handle.get(), &branch);
    return {model, branch};
  }

  /// The same conversation for another plugin of the same model. `roundedSlots`, if given, is set to the slots that the
  /// other stores with fewer bits.
  State moveTo(const Model &other, uint64_t *roundedSlots = nullptr);

  /// Forgets the tokens from number `length` on. `nearest`, if given, is set to the longest possible length up to it.
  void truncate(uint64_t length, uint64_t *nearest = nullptr) {
    detail::check(kvasir_state_truncate, handle.get(), length, nearest);
  }

  /// Lets truncate come back to this length, for a model with registers.
  void checkpoint() { detail::check(kvasir_state_checkpoint, handle.get()); }

  /// Of all tokens; -1 where a function without ids appended.
  std::vector<int32_t> ids() {
    std::vector<int32_t> ids(length());
    detail::check(kvasir_state_ids, handle.get(), uint64_t{0}, ids.size(), ids.data());
    return ids;
  }

  /// The first row of a cache that has not left its window.
  uint64_t firstRow(const std::string &slot) {
    uint64_t row;
    detail::check(kvasir_state_first_row, handle.get(), slot.c_str(), &row);
    return row;
  }

  /// Rows [first, first + count) of one layer of a cache: [count, G, D].
  std::vector<float> rows(const std::string &slot, uint64_t layer, uint64_t first, uint64_t count) {
    if (first > length() || count > length() - first) // before memory for them is asked for
      throw Error(KV_BAD_INPUT, "rows are not all there");
    std::vector<float> values(count * elementsOf(slot));
    detail::check(kvasir_state_rows, handle.get(), slot.c_str(), layer, first, count, values.data(), values.size());
    return values;
  }

  /// Overwrites rows of one layer from row `first` on, as many as `rows` [count, G, D] has.
  void write(const std::string &slot, uint64_t layer, uint64_t first, std::span<const float> rows) {
    const uint64_t elements = elementsOf(slot), count = rows.size() / elements;
    if (count * elements != rows.size())
      throw Error(KV_BAD_INPUT, ("rows of " + std::to_string(elements) + " numbers are not whole").c_str());
    detail::check(kvasir_state_write, handle.get(), slot.c_str(), layer, first, count, rows.data(), rows.size());
  }

  /// What one layer of a register holds.
  std::vector<float> registerValue(const std::string &slot, uint64_t layer) {
    std::vector<float> values(elementsOf(slot));
    detail::check(kvasir_state_register, handle.get(), slot.c_str(), layer, values.data(), values.size());
    return values;
  }

  /// To a file that appears whole, or not at all.
  void save(const std::string &path) const { detail::check(kvasir_state_save, handle.get(), path.c_str()); }

  kvasir_state *get() const { return handle.get(); }

private:
  friend class Model;
  State(const kvasir_model *model, kvasir_state *state) : model(model), handle(state) {}

  /// Of a row of a cache, or of a layer of a register.
  uint64_t elementsOf(const std::string &slot) const {
    uint64_t layers, heads, width;
    detail::check(kvasir_slot_shape, model, slot.c_str(), &layers, &heads, &width);
    return heads * width;
  }

  const kvasir_model *model;
  std::unique_ptr<kvasir_state, detail::Free<&kvasir_state_free>> handle;
};

} // namespace v1
} // namespace kvasir

#endif
