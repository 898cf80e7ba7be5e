// SPDX-License-Identifier: MIT
#include "runtime/tools/inspect_state.h"

#include "runtime/tools/inspect_text.h"
#include "runtime/tools/output.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <nlohmann/json.hpp>

namespace kvasir::tools {
namespace {

using Json = nlohmann::ordered_json;
using runtime::SavedRows;
using runtime::StateFile;

constexpr size_t kShownIds = 16;

uint64_t sizeBytes(const SavedRows &rows) { return rows.numBlocks * rows.blockBytes; }

std::string bytesOf(uint64_t bytes) { return bytesText(static_cast<double>(bytes)); }

/// "rows 128 to 299".
std::string heldText(const StateFile &file, const SavedRows &rows) {
  if (rows.numBlocks == 0)
    return "no rows";
  return "rows " + std::to_string(rows.firstBlock * KV_BLOCK_TOKENS) + " to " + std::to_string(file.length() - 1);
}

std::string slotsText(const StateFile &file) {
  std::string text;
  for (size_t i = 0; i < file.description().slots.size(); ++i) {
    const SlotDescription &slot = file.description().slots[i];
    const SavedRows &rows = file.rows(i);
    const std::string held = slot.kind == SlotKind::cache
                                 ? heldText(file, rows)
                                 : std::to_string(rows.numBlocks) + (rows.numBlocks == 1 ? " value" : " values");
    text += textRow(slot.name, held + " in " + bytesOf(sizeBytes(rows)) + "; " + slotText(slot));
  }
  return text;
}

std::string lastIds(const std::vector<int32_t> &ids) {
  const size_t first = ids.size() - std::min(ids.size(), kShownIds);
  std::string text = first ? "…" : "";
  for (size_t i = first; i < ids.size(); ++i)
    text += (i ? "," : "") + std::to_string(ids[i]);
  return ids.empty() ? "none" : text;
}

std::string checkpointsText(const StateFile &file) {
  std::string text;
  for (const auto &checkpoint : file.checkpoints())
    text += (text.empty() ? "" : ", ") + std::to_string(checkpoint.length) + (checkpoint.isAutomatic ? "" : " (kept)");
  return text.empty() ? "" : textRow("checkpoints", "at " + text + " tokens");
}

Json slotsJson(const StateFile &file) {
  Json list = Json::array();
  for (size_t i = 0; i < file.description().slots.size(); ++i) {
    const SavedRows &rows = file.rows(i);
    list.push_back({{"name", file.description().slots[i].name},
                    {"offset", rows.offset},
                    {"size", sizeBytes(rows)},
                    {"block_size", rows.blockBytes},
                    {"blocks", rows.numBlocks},
                    {"first_row", rows.firstBlock * KV_BLOCK_TOKENS}});
  }
  return list;
}

} // namespace

bool isStateFile(const std::string &path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  uint8_t magic[sizeof runtime::state_format::kMagic];
  return file && readFully(file.get(), 0, magic) &&
         std::memcmp(magic, runtime::state_format::kMagic, sizeof magic) == 0;
}

std::string describe(const StateFile &file) {
  const Description &description = file.description();
  const auto &facts = file.conversation();
  std::string text = "conversation of " + description.model.name + "\n";
  text += textRow("tokens", std::to_string(facts.length) + " of at most " + std::to_string(facts.capacity));
  text += textRow("last ids", lastIds(file.ids())) + checkpointsText(file);
  text += textRow("file", bytesOf(file.sizeBytes()) + ", format " + std::to_string(runtime::state_format::kVersion) +
                              ", for plugin ABI " + std::to_string(facts.abi));
  text += textRow("backend", description.backend);
  text += textRow("numerics", description.numerics.id);
  text += textRow("fingerprint", toHex(facts.fingerprint)) + textRow("tokenizer", toHex(facts.tokenizer));
  return text + textRow("schema", toHex(facts.schema)) + "slots\n" + slotsText(file);
}

std::string describeAsJson(const StateFile &file) {
  const auto &facts = file.conversation();
  Json checkpoints = Json::array();
  for (const auto &checkpoint : file.checkpoints())
    checkpoints.push_back({{"length", checkpoint.length}, {"automatic", checkpoint.isAutomatic != 0}});
  const Json json = {{"kind", "conversation"},
                     {"format", runtime::state_format::kVersion},
                     {"abi", facts.abi},
                     {"file_size", file.sizeBytes()},
                     {"fingerprint", toHex(facts.fingerprint)},
                     {"tokenizer", toHex(facts.tokenizer)},
                     {"schema_hash", toHex(facts.schema)},
                     {"length", facts.length},
                     {"capacity", facts.capacity},
                     {"checkpoints", checkpoints},
                     {"rows", slotsJson(file)},
                     {"description", Json::parse(descriptionToJson(file.description()))},
                     {"ids", file.ids()}};
  return json.dump(2) + "\n";
}

} // namespace kvasir::tools
