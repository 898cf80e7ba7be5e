// SPDX-License-Identifier: MIT
// What a plugin's functions take and what its slots mean and how they are stored: the JSON behind the manifest.
#ifndef KVASIR_PLUGINS_DESCRIPTION_H
#define KVASIR_PLUGINS_DESCRIPTION_H

#include "plugins/activations.h"
#include "plugins/digest.h"
#include "plugins/forms.h"
#include "plugins/layout.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kvasir {

struct ModelDescription {
  std::string name;
  std::string architecture;                ///< as the source file names it; for people
  uint64_t contextTokens = 0;              ///< what it was trained for; 0 if unknown
  uint64_t vocabularySize = 0;             ///< 0 if it takes no ids
  std::map<std::string, uint64_t> extents; ///< by the shape letters of the root README: {"E": 576, "L": 30}

  bool operator==(const ModelDescription &) const = default;
};

enum class SlotKind : uint8_t { cache, reg };
enum class RowRotation : uint8_t { none, adjacent, halves };

/// One slot of the schema, and how the backend stores it.
///
/// A cache's layout covers one block: KV_BLOCK_TOKENS tokens, all layers; axes layer, head, token, lane. A register's
/// covers one sequence: axes layer and lane, the lane being the element's number in row-major order.
struct SlotDescription {
  std::string name;
  SlotKind kind = SlotKind::cache;
  uint64_t layers = 1;
  uint64_t heads = 1;                      ///< cache: G
  uint64_t width = 1;                      ///< cache: D
  uint64_t windowTokens = 0;               ///< cache: rows older than this are let go; 0: none are
  RowRotation rotated = RowRotation::none; ///< cache: rows depend on their position, by pairs of these lanes
  std::string values;                      ///< cache: the slot of keys that these rows are the values of, or empty
  std::vector<uint64_t> shape;             ///< register: the tensor of one layer
  Layout layout;
  std::optional<RowsOrigin> from = {}; ///< cache: where opaque functions have the same rows

  bool operator==(const SlotDescription &) const = default;
};

/// A number, or a symbol of the call: B sequences, T new tokens, W wanted tokens, S rows of the one sequence after
/// the call (no such call has several), or one of the function's own extents, a to z.
struct Dimension {
  char symbol = 0; ///< 0: `number`
  uint64_t number = 0;

  bool operator==(const Dimension &) const = default;
};

enum class TensorRole : uint8_t { other, ids, embeddings, positions, mask, logits, hidden };

/// An input or output of a function: dense, row-major.
struct TensorDescription {
  std::string name;
  ElementType element = ElementType::f32;
  std::vector<Dimension> shape;
  TensorRole role = TensorRole::other;

  bool operator==(const TensorDescription &) const = default;
};

/// One of a function's own extents. A free one is what the inputs of a call have there, in all of them the same;
/// another is `constant` + the sum of factor * free extent over `terms`.
struct ExtentDescription {
  char symbol = 'a';
  uint64_t from = 1, to = 1;     ///< free: the least and the most
  std::vector<uint64_t> values;  ///< free: one of these only, if there are any
  int64_t constant = 0;          ///< of a sum
  std::map<char, int64_t> terms; ///< of a sum: free extent -> factor
  bool isFree() const { return terms.empty(); }

  bool operator==(const ExtentDescription &) const = default;
};

struct FunctionDescription {
  std::string name;
  /// T of one call; a longer prompt is several calls in one transaction. 0: it takes no tokens, no state becomes longer
  /// by a call, and a call has one state at most.
  uint64_t maxTokens = 1;
  std::vector<TensorDescription> inputs, outputs;
  std::vector<ExtentDescription> extents = {}; ///< of what inputs and outputs name by a to z
  std::optional<RaisedForm> raised = {};       ///< of a function that takes no tokens: what to run in its place

  bool operator==(const FunctionDescription &) const = default;
};

/// "exact", "bf16", "int8"
const char *activationsName(Activations activations);

struct NumericsDescription {
  std::string id;         ///< equal ids and fingerprints give equal bits
  bool invariant = false; ///< no dependence on chunking, batch, recycled blocks or team size
  Activations activations = Activations::exact;

  bool operator==(const NumericsDescription &) const = default;
};

/// Code for one set of CPU features. The host takes the first variant whose features it has.
struct VariantDescription {
  std::string name;
  std::vector<std::string> features; ///< LLVM's names

  bool operator==(const VariantDescription &) const = default;
};

/// One write of state that the model's author excused from the proof.
struct WaiverDescription {
  std::string function, slot, reason;

  bool operator==(const WaiverDescription &) const = default;
};

/// A run-time service that the code calls where the host offers it, and does without where not (kvasir/service.h).
struct ServiceDescription {
  std::string name;
  uint64_t version = 1;
  std::string needs;    ///< what the service is asked for at load, in its own words
  std::string fallback; ///< the id of the numerics without it
  bool fallbackInvariant = false;

  bool operator==(const ServiceDescription &) const = default;
};

struct Description {
  ModelDescription model;
  std::string backend;
  bool verified = false; ///< verify-state proved every function
  NumericsDescription numerics;
  std::vector<VariantDescription> variants; ///< empty: one variant that runs anywhere
  std::vector<SlotDescription> slots;
  std::vector<FunctionDescription> functions;
  std::vector<WaiverDescription> waivers;
  std::vector<ServiceDescription> services = {}; ///< in the order of kv_call.services

  bool operator==(const Description &) const = default;
};

/// JSON of the description, on one line; equal descriptions give equal bytes. Bytes that aren't UTF-8 are replaced.
std::string descriptionToJson(const Description &description);

/// Whether the function is the raised form of another: hosts call that one.
bool isRaisedForm(const Description &description, const FunctionDescription &function);

/// Reads what descriptionToJson writes; bytes are hostile. What it returns is consistent: names are unique, layouts
/// cover their slots, values go with a cache, forms fit together.
Result<Description> descriptionFromJson(std::string_view text);

/// SHA-256 of what the slots mean. Layouts and element types are left out: state of one backend may be converted for
/// another.
Digest schemaHash(const std::vector<SlotDescription> &slots);

} // namespace kvasir

#endif
