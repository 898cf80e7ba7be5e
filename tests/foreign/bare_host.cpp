// SPDX-License-Identifier: MIT
#include "tests/foreign/bare_host.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <stdexcept>
#include <sys/mman.h>

extern "C" const kv_plugin *kvasir_plugin(const kv_host *host);

namespace kvasir::test {
namespace {

/// A team of one, some barrier of which is cancelled.
struct Alone {
  kv_team team;
  uint32_t barriers, cancelAt;
};

kv_status meetNobody(const kv_team *team, uint32_t) {
  auto *alone = static_cast<Alone *>(team->host);
  return ++alone->barriers == alone->cancelAt ? KV_CANCELLED : KV_OK;
}

/// A struct of the border as a version of the host knows it, right in front of a page that can't be read.
template <typename Struct> class AtTheEdge {
public:
  AtTheEdge(HostVersion version, size_t fewerBytes)
      : sizeBytes(version == HostVersion::fewer  ? fewerBytes
                  : version == HostVersion::more ? sizeof(Struct) + sizeof(uint64_t)
                                                 : sizeof(Struct)) {
    void *mapped = mmap(nullptr, 2 * kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
      throw std::bad_alloc();
    pages = static_cast<uint8_t *>(mapped);
    mprotect(pages + kPageBytes, kPageBytes, PROT_NONE);
  }
  AtTheEdge(const AtTheEdge &) = delete;
  ~AtTheEdge() { munmap(pages, 2 * kPageBytes); }

  void fill(Struct fields, uint64_t added) {
    fields.size = static_cast<uint32_t>(sizeBytes);
    std::memcpy(begin(), &fields, std::min(sizeBytes, sizeof fields));
    if (sizeBytes > sizeof fields)
      std::memcpy(begin() + sizeof fields, &added, sizeof added);
  }

  /// The field that only a host of more fields has.
  uint64_t added() const {
    uint64_t value = 0;
    if (sizeBytes > sizeof(Struct))
      std::memcpy(&value, begin() + sizeof(Struct), sizeof value);
    return value;
  }

  Struct *operator->() const { return reinterpret_cast<Struct *>(begin()); }
  Struct &operator*() const { return *operator->(); }

private:
  static constexpr size_t kPageBytes = 4096;
  uint8_t *begin() const { return pages + kPageBytes - sizeBytes; }

  size_t sizeBytes;
  uint8_t *pages;
};

/// The arrays of a call.
struct Batch {
  std::vector<uint64_t> starts, counts, firsts;
  std::vector<uint32_t> tokenSequence, wanted;
  std::vector<int64_t> positions;
  std::vector<int32_t> ids;
};

Batch batchOf(const std::vector<Conversation *> &conversations, const std::vector<std::vector<int32_t>> &ids) {
  Batch batch;
  for (size_t b = 0; b < ids.size(); ++b) {
    batch.starts.push_back(conversations[b]->length);
    batch.counts.push_back(ids[b].size());
    batch.firsts.push_back(batch.ids.size());
    for (size_t i = 0; i < ids[b].size(); ++i) {
      batch.tokenSequence.push_back(static_cast<uint32_t>(b));
      batch.positions.push_back(static_cast<int64_t>(conversations[b]->length + i));
      batch.wanted.push_back(static_cast<uint32_t>(batch.ids.size()));
      batch.ids.push_back(ids[b][i]);
    }
  }
  return batch;
}

kv_call callOf(const Batch &batch) {
  kv_call call{};
  call.size = sizeof call;
  call.num_sequences = batch.starts.size();
  call.num_tokens = call.num_wanted = batch.ids.size();
  call.starts = batch.starts.data();
  call.counts = batch.counts.data();
  call.firsts = batch.firsts.data();
  call.token_sequence = batch.tokenSequence.data();
  call.positions = batch.positions.data();
  call.wanted = batch.wanted.data();
  return call;
}

/// Slot-major, as the border wants it. `blocks` holds the pointers that the views point to.
std::vector<kv_view> viewsOf(const std::vector<Conversation *> &conversations, std::vector<uint8_t *> &blocks,
                             bool hasRegister) {
  std::vector<kv_view> views;
  blocks.reserve(2 * conversations.size());
  for (size_t slot = 0; slot < 2; ++slot)
    for (Conversation *conversation : conversations) {
      blocks.push_back(reinterpret_cast<uint8_t *>(conversation->rows[slot].data()));
      views.push_back({&blocks.back(), 1, nullptr, nullptr});
    }
  for (size_t b = 0; hasRegister && b < conversations.size(); ++b)
    views.push_back({nullptr, 0, reinterpret_cast<const uint8_t *>(conversations[b]->taps.data()),
                     reinterpret_cast<uint8_t *>(conversations[b]->newTaps.data())});
  return views;
}

} // namespace

Foreign::Foreign(const std::string &name) {
  const bool isLinked = name == "linked";
  const std::string file = "/foreign_" + (isLinked ? "right_register" : name) + ".kvasir";
  auto result = LoadedPlugin::load(KVASIR_FOREIGN_PLUGINS + file);
  if (!result)
    throw std::runtime_error(result.message());
  loaded = std::move(*result);
  static constexpr kv_host kHost{sizeof(kv_host), KV_ABI, 0, 0};
  table = isLinked ? kvasir_plugin(&kHost) : &loaded->table();
  hasRegister = loaded->description().slots.size() == 3;
}

Conversation::Conversation(float fill) : taps(kTapFloats), newTaps(kTapFloats, fill) {
  for (auto &slot : rows)
    slot.assign(kBlockFloats, fill);
}

bool Conversation::differs(const Conversation &other, size_t slot, uint64_t layer, uint64_t row) const {
  const size_t at = (layer * KV_BLOCK_TOKENS + row) * kRowFloats;
  return std::memcmp(&rows[slot][at], &other.rows[slot][at], kRowFloats * sizeof(float)) != 0;
}

BareResult callBare(const Foreign &plugin, const std::vector<Conversation *> &conversations,
                    const std::vector<std::vector<int32_t>> &ids, const BareOptions &options) {
  const kv_plugin &table = *plugin.table;
  Alone alone{{sizeof(kv_team), 1, &alone, meetNobody}, 0, options.cancelAt};
  Batch batch = batchOf(conversations, ids);
  AtTheEdge<kv_call> call(options.version, offsetof(kv_call, message));
  call.fill(callOf(batch), options.added);
  call->team = &alone.team;
  std::vector<kv_rows> writes((plugin.hasRegister ? 3 : 2) * conversations.size());
  AtTheEdge<kv_plan> plan(options.version, sizeof(kv_plan));
  plan.fill({0, 0, 0, writes.data()}, 0);
  BareResult result;
  result.status = table.prepare(&table, &*call, &*plan);
  if (result.status != KV_OK)
    return result;

  std::vector<uint8_t *> blocks;
  const auto views = viewsOf(conversations, blocks, plugin.hasRegister);
  std::vector<double> scratch(plan->scratch_bytes / sizeof(double) + 1);
  result.added = plan.added();
  result.logits.resize(batch.ids.size() * kVocabulary);
  const kv_tensor input{batch.ids.data(), batch.ids.size() * sizeof(int32_t)};
  const kv_tensor output{result.logits.data(), result.logits.size() * sizeof(float)};
  call->views = views.data();
  call->inputs = &input;
  call->outputs = &output;
  call->scratch = reinterpret_cast<uint8_t *>(scratch.data());
  call->scratch_bytes = plan->scratch_bytes;
  result.status = table.execute(&table, &*call, 0);
  for (size_t b = 0; result.status == KV_OK && b < conversations.size(); ++b) {
    conversations[b]->length += ids[b].size();
    std::swap(conversations[b]->taps, conversations[b]->newTaps);
  }
  return result;
}

std::vector<int32_t> foreignIds(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> ids(count);
  for (int32_t &id : ids)
    id = static_cast<int32_t>(random() % kVocabulary);
  return ids;
}

} // namespace kvasir::test
