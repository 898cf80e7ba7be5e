// SPDX-License-Identifier: MIT
#ifndef KVASIR_RUNTIME_TEXT_MERGING_H
#define KVASIR_RUNTIME_TEXT_MERGING_H

#include "plugins/vocabulary.h"

#include <string_view>
#include <vector>

namespace kvasir {

/// Joins neighbouring parts of a text, best pair first, until no pair may be joined: the heart of byte-pair encoding.
/// Keeps its buffers from one text to the next.
class Merging {
public:
  /// A part of the text and its symbol, which is kNoToken where the vocabulary has none.
  struct Part {
    TokenId symbol;
    std::string_view text;
  };

  explicit Merging(const VocabularyView &vocabulary) : vocabulary(vocabulary) {}

  void clear() { parts.clear(); }
  /// The parts are added in the order of the text and lie in it side by side.
  void add(Part part);
  /// Cost: O(n log n) for n parts.
  void run();
  /// Calls `use` with each part that is left, in order.
  template <typename Use> void forEach(Use use) const {
    for (int32_t i = parts.empty() ? kNone : 0; i != kNone; i = parts[i].next)
      use(parts[i].part);
  }

private:
  static constexpr int32_t kNone = -1;

  struct Node {
    Part part; // an empty text: joined to an earlier part
    int32_t previous, next;
  };
  struct Candidate {
    double cost; // the lowest is joined first, of equals the leftmost
    int32_t left, right;
    size_t sizeBytes; // of both when they were compared: another size means that one has grown since
    TokenId result;

    bool operator<(const Candidate &other) const { return cost != other.cost ? cost > other.cost : left > other.left; }
  };

  void propose(int32_t left, int32_t right);
  void join(const Candidate &candidate);

  const VocabularyView &vocabulary;
  std::vector<Node> parts;
  std::vector<Candidate> candidates; // a heap
};

} // namespace kvasir

#endif
