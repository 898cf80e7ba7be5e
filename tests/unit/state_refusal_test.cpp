// SPDX-License-Identifier: MIT
// Files of saved conversations that are not what they should be: refused by name.
#include "tests/unit/state_files.h"

#include "kvasir/manifest.h"

#include <random>

using namespace kvasir;
using namespace kvasir::runtime;
using namespace kvasir::runtime::state_format;
using namespace kvasir::test;

namespace {

/// A file of a toy conversation of 300 tokens, and its model.
struct Saved {
  explicit Saved(size_t length = 300) : model(makeToy()) {
    const auto state = makeFilled(*model, length);
    saveState(*model, *state, path);
    bytes = readBytes(path);
  }

  /// What loading these bytes says.
  std::string refusal(const Bytes &changed, kv_status status = KV_BAD_FILE) const {
    writeBytes(path, changed);
    return refusalOf(*model, path, status);
  }

  /// The same when a field of the header is changed, and its checksum with it.
  template <typename T> std::string refusalWithHeader(size_t offset, const T &value) const {
    Bytes changed = bytes;
    putAt(changed, offset, value);
    putAt(changed, offsetof(Header, checksum), checksumOf(std::span(changed).first(offsetof(Header, checksum))));
    return refusal(changed);
  }

  /// The same when bytes of a section are changed.
  template <typename T>
  std::string refusalWith(SectionKind kind, size_t offset, const T &value, kv_status status = KV_BAD_FILE) const {
    Bytes changed = bytes;
    putAt(changed, sectionAt(bytes, uint32_t(kind) - 1).offset + offset, value);
    repairHead(changed);
    return refusal(changed, status);
  }

  /// The same when a line of the section table is changed.
  template <typename T> std::string refusalWithSection(uint64_t index, size_t offset, const T &value) const {
    Bytes changed = bytes;
    putAt(changed, sectionOffset(index) + offset, value);
    repairHead(changed);
    return refusal(changed);
  }

  StateFolder folder;
  std::string path = folder.file("a.kvstate");
  std::shared_ptr<Model> model;
  Bytes bytes;
};

std::string refusalBy(const Saved &saved, const std::function<void(Program &)> &change) {
  return refusalOf(*makeToy(change), saved.path, KV_UNSUPPORTED);
}

} // namespace

TEST_CASE("another model, tokenizer, schema, numerics or layout is refused by name") {
  const Saved saved;
  CHECK(refusalBy(saved, [](Program &program) {
          program.identity.fingerprint[0] = 9;
          program.description.model.name = "other";
        }) == "belongs to the model 'toy' (fingerprint 0100000000000000…), this is 'other' (0900000000000000…)");
  CHECK(refusalBy(saved, [](Program &program) { program.identity.tokenizer[31] = 9; }) ==
        "was made with another tokenizer (0200000000000000…, this model's is 0200000000000000…): its ids mean "
        "another text");
  CHECK(refusalBy(saved, [](Program &program) {
          program.description.slots[1].windowTokens = 7;
        }).find("has the schema ") == 0);
  CHECK(refusalBy(saved, [](Program &program) { program.description.numerics.id = "bf16"; }) ==
        "was computed with numerics 'f32', this plugin computes with 'bf16'");
  CHECK(refusalBy(saved, [](Program &program) { program.description.slots[1].layout.sizeBytes = 1024; }) ==
        "stores slot v in another layout than this plugin with numerics 'f32'");
  // A name is what people call a model; its fingerprint is what it is.
  CHECK(refusalBy(saved, [](Program &program) { program.description.model.name = "other"; }) == "");
}

TEST_CASE("models without fingerprints are told apart by their names") {
  StateFolder folder;
  const auto unsealed = [](Program &program) { program.identity = {}; };
  const auto model = makeToy(unsealed);
  saveState(*model, *makeFilled(*model, 3), folder.file("a"));
  CHECK(refusalOf(*model, folder.file("a"), KV_OK) == "");
  const auto other = makeToy([&](Program &program) {
    unsealed(program);
    program.description.model.name = "other";
  });
  CHECK(refusalOf(*other, folder.file("a"), KV_UNSUPPORTED).find("belongs to the model 'toy'") == 0);
}

TEST_CASE("another version, ABI or block size is refused by name") {
  const Saved saved;
  Bytes later = saved.bytes;
  putAt(later, offsetof(Header, version), 7u);
  CHECK(saved.refusal(later, KV_UNSUPPORTED) == "has version 7 of the format, this runtime reads 1");
  CHECK(saved.refusalWith(SectionKind::conversation, offsetof(Conversation, abi), KV_ABI + 1, KV_UNSUPPORTED) ==
        "was written for plugin ABI 2 and format 1, this runtime has 1 and 1");
  CHECK(saved.refusalWith(SectionKind::conversation, offsetof(Conversation, pluginFormat), KV_FORMAT + 1,
                          KV_UNSUPPORTED) == "was written for plugin ABI 1 and format 2, this runtime has 1 and 1");
  CHECK(saved.refusalWith(SectionKind::conversation, offsetof(Conversation, blockTokens), uint64_t{64},
                          KV_UNSUPPORTED) == "has blocks of 64 tokens, this runtime's have 128");
}

TEST_CASE("every truncation is refused by name") {
  const Saved saved(130);
  for (size_t size = 0; size < saved.bytes.size(); size += size < 4200 ? 61 : 997) {
    CAPTURE(size);
    const std::string said = saved.refusal({saved.bytes.begin(), saved.bytes.begin() + long(size)});
    CHECK(said.find("is " + std::to_string(size) + " bytes long") == 0);
    CHECK(said.find("cut short") != std::string::npos);
  }
  Bytes longer = saved.bytes;
  longer.push_back(0);
  CHECK(saved.refusal(longer).find("grown or not finished") != std::string::npos);
}

TEST_CASE("every flipped bit is found and named") {
  const Saved saved(130);
  std::mt19937 random(20261125);
  for (size_t at = 0; at < saved.bytes.size(); at += at < 1500 ? 1 : 13) {
    Bytes flipped = saved.bytes;
    flipped[at] ^= uint8_t(1 << random() % 8);
    writeBytes(saved.path, flipped);
    std::string said;
    try {
      loadState(*saved.model, saved.path);
    } catch (const Error &error) {
      said = error.what();
    }
    CAPTURE(at);
    CHECK(said != "");
    const bool isNamed = said.find("is damaged") != std::string::npos || at < offsetof(Header, numSections);
    CHECK_MESSAGE(isNamed, said);
  }
}

TEST_CASE("damage of rows names slot, block and rows") {
  const Saved saved;
  const auto flippedAt = [&](uint64_t section, uint64_t offset) {
    Bytes changed = saved.bytes;
    changed[sectionAt(saved.bytes, section).offset + offset] ^= 1;
    return saved.refusal(changed);
  };
  CHECK(flippedAt(kNumMetadataSections, 4096 + 5) ==
        "is damaged: block 1 of slot k (rows 128 to 255) is not what its checksum says");
  CHECK(flippedAt(kNumMetadataSections + 1, 0) ==
        "is damaged: block 0 of slot v (rows 0 to 127) is not what its checksum says");
  CHECK(flippedAt(kNumMetadataSections + 2, 3) ==
        "is damaged: the value of register sum is not what its checksum says");
  CHECK(flippedAt(kNumMetadataSections + 2, 4) ==
        "is damaged: checkpoint 1 of register sum is not what its checksum says");
  CHECK(flippedAt(0, 0) == "is damaged: its metadata is not what its checksum says");
}

TEST_CASE("right checksums over wrong numbers: headers and tables") {
  const Saved saved;
  const uint64_t huge[] = {0, 63, saved.bytes.size() + 1, UINT64_MAX, UINT64_MAX - 63, uint64_t{1} << 63};
  for (const uint64_t value : huge) {
    CAPTURE(value);
    CHECK(saved.refusalWithHeader(offsetof(Header, rowsOffset), value) == "has a header that contradicts itself");
    for (uint64_t section = 0; section < kNumMetadataSections + 3; ++section) {
      CAPTURE(section);
      CHECK(saved.refusalWithSection(section, offsetof(Section, offset), value).find("has a section table") == 0);
      CHECK(saved.refusalWithSection(section, offsetof(Section, sizeBytes), value) != "");
      if (value != 0)
        CHECK(saved.refusalWithSection(section, offsetof(Section, firstBlock), value) != "");
    }
  }
  for (const uint32_t count : {0u, 4u, 127u, UINT32_MAX})
    CHECK(saved.refusalWithHeader(offsetof(Header, numSections), count) == "has a header that contradicts itself");
  CHECK(saved.refusalWithHeader(offsetof(Header, numSections), 7u) != "");
  CHECK(saved.refusalWithSection(3, offsetof(Section, kind), 2u).find("has a section table") == 0);
  CHECK(saved.refusalWithSection(6, offsetof(Section, slot), 0u).find("has a section table") == 0);
}

TEST_CASE("right checksums over wrong numbers: lengths, ids, checkpoints") {
  const Saved saved;
  for (const uint64_t length : {uint64_t{299}, uint64_t{301}, uint64_t{1001}, UINT64_MAX, UINT64_MAX - 126})
    CHECK(saved.refusalWith(SectionKind::conversation, offsetof(Conversation, length), length) != "");
  CHECK(saved.refusalWith(SectionKind::conversation, offsetof(Conversation, capacity), uint64_t{299}) ==
        "holds 300 tokens and has a capacity of 299");
  CHECK(saved.refusalWith(SectionKind::conversation, offsetof(Conversation, capacity), uint64_t{1001}, KV_BAD_INPUT) ==
        "a state of 1001 tokens is beyond the model's context of 1000");
  CHECK(saved.refusalWith(SectionKind::conversation, offsetof(Conversation, schema), uint8_t{0}) ==
        "has a schema hash that is not that of its slots");
  CHECK(saved.refusalWith(SectionKind::ids, 40, -2) == "has token -2 at place 10, outside its vocabulary of 64");
  CHECK(saved.refusalWith(SectionKind::ids, 40, 64) == "has token 64 at place 10, outside its vocabulary of 64");
  CHECK(saved.refusalWith(SectionKind::ids, 40, -1) == "");
  for (const uint64_t length : {uint64_t{0}, uint64_t{301}, UINT64_MAX})
    CHECK(saved.refusalWith(SectionKind::checkpoints, 0, length).find("has checkpoint 0 at ") == 0);
  CHECK(saved.refusalWith(SectionKind::checkpoints, 8, uint64_t{2}).find("has checkpoint 0 at ") == 0);
  CHECK(saved.refusalWith(SectionKind::description, 0, uint8_t{'['}).find("has a bad description: ") == 0);
}

TEST_CASE("rows that the next token needs can't be missing") {
  StateFolder folder;
  const auto slide = [](Program &program) { program.description.slots[1].windowTokens = 200; };
  const auto model = makeToy(slide);
  saveState(*model, *makeFilled(*model, 400), folder.file("a"));
  Bytes bytes = readBytes(folder.file("a"));
  const uint64_t v = kNumMetadataSections + 1, sum = v + 1;
  Section rows = sectionAt(bytes, v), registers = sectionAt(bytes, sum), sums = sectionAt(bytes, 4);
  REQUIRE(rows.firstBlock == 1);
  // One block less, with everything else in its place and right checksums.
  bytes.erase(bytes.begin() + long(rows.offset), bytes.begin() + long(rows.offset + 512));
  rows.firstBlock = 2, rows.sizeBytes -= 512, registers.offset -= 512;
  putAt(bytes, sectionOffset(v), rows);
  putAt(bytes, sectionOffset(sum), registers);
  const uint64_t last = sums.offset + sums.sizeBytes - 8;
  for (uint64_t at = sums.offset + 4 * 8; at < last; at += 8)
    putAt(bytes, at, valueAt<uint64_t>(bytes, at + 8));
  putAt(bytes, last, uint64_t{0});
  sums.sizeBytes -= 8;
  putAt(bytes, sectionOffset(4), sums);
  repairHead(bytes);
  writeBytes(folder.file("a"), bytes);
  CHECK(refusalOf(*model, folder.file("a"), KV_BAD_FILE) ==
        "lacks rows of slot v that the next token needs: its first is row 256");
}

TEST_CASE("files of other kinds") {
  const Saved saved;
  CHECK(saved.refusal({}).find("is 0 bytes long") == 0);
  CHECK(saved.refusal(Bytes(5000, 'x')) == "is no .kvstate file");
  CHECK(saved.refusal(Bytes(5000, 0)) == "is no .kvstate file");
}
