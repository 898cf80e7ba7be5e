// SPDX-License-Identifier: MIT
// Conversations to files and back.
#include "runtime/state/rows.h"
#include "runtime/state_file/used_rows.h"
#include "tests/unit/small_disk.h"
#include "tests/unit/state_files.h"

#include <csignal>
#include <random>
#include <sys/stat.h>

using namespace kvasir;
using namespace kvasir::runtime;
using namespace kvasir::test;

namespace {

std::vector<float> rowsOf(const State &state, const char *slot, uint64_t layer, uint64_t first = 0) {
  const size_t index = state.slots().find(slot);
  std::vector<float> rows((state.length() - first) * rowElements(state.slots()[index]));
  readRows(state, index, layer, first, state.length() - first, rows.data());
  return rows;
}

std::vector<int32_t> idsOf(const State &state) {
  std::vector<int32_t> ids(state.length());
  state.readIds(0, ids.size(), ids.data());
  return ids;
}

float counted(const State &state) { return *reinterpret_cast<const float *>(state.table(2)[0].bytes()); }

void slideOver(Program &program) { program.description.slots[1].windowTokens = 40; }

} // namespace

TEST_CASE("what is loaded goes on where the saved one was, at every border of blocks") {
  StateFolder folder;
  const std::string path = folder.file("a.kvstate");
  for (const size_t length : {0, 1, 127, 128, 129, 300}) {
    CAPTURE(length);
    const auto model = makeToy();
    const auto state = makeFilled(*model, length);
    saveState(*model, *state, path);
    const auto other = makeToy(); // another process would have pools of its own, too
    const auto loaded = loadState(*other, path);
    CHECK(loaded->length() == length);
    CHECK(loaded->capacity() == TOY_CONTEXT);
    CHECK(idsOf(*loaded) == idsOf(*state));
    for (const uint64_t layer : {0, 1}) {
      CHECK(rowsOf(*loaded, "k", layer) == rowsOf(*state, "k", layer));
      CHECK(rowsOf(*loaded, "v", layer) == rowsOf(*state, "v", layer));
    }
    CHECK(counted(*loaded) == counted(*state));
    CHECK(predictOne(*other, *loaded, {7, 8, 9}) == predictOne(*model, *state, {7, 8, 9}));
    CHECK(counted(*loaded) == static_cast<float>(length + 3));
  }
}

TEST_CASE("equal conversations are equal files: nothing of earlier users of their blocks is in them") {
  StateFolder folder;
  const auto model = makeToy();
  for (const size_t length : {1, 100, 300}) {
    saveState(*makeToy(), *makeFilled(*makeToy(), length), folder.file("fresh"));
    makeFilled(*model, 900, 2); // leaves its rows in the pool
    saveState(*model, *makeFilled(*model, length), folder.file("recycled"));
    CHECK(readBytes(folder.file("fresh")) == readBytes(folder.file("recycled")));
  }
}

TEST_CASE("the used rows of a block, for elements that share bytes, scales that share elements, and gaps") {
  SlotDescription slot;
  slot.layers = 2, slot.heads = 2, slot.width = 3;
  // Tokens lie side by side in 4 bits; one f16 scale for two tokens.
  slot.layout = {4096,
                 {{PlaneRole::code,
                   ElementType::u4,
                   4,
                   {{Axis::token, 128, 4}, {Axis::lane, 3, 512}, {Axis::head, 2, 1536}, {Axis::layer, 2, 8192}}},
                  {PlaneRole::scale,
                   ElementType::f16,
                   16384,
                   {{Axis::token, 2, 0}, {Axis::token, 64, 16}, {Axis::head, 2, 1024}, {Axis::layer, 2, 2048}}}}};
  REQUIRE(checkLayout(slot.layout));
  const Bytes block(4096, 0xff);
  Bytes copy(4096, 0x55);
  copyUsedRows(slot, 5, block.data(), copy);
  Bytes expected(4096, 0);
  for (const unsigned layer : {0, 1})
    for (const unsigned head : {0, 1}) {
      for (const unsigned lane : {0, 1, 2}) {
        uint8_t *codes = &expected[(lane * 512 + head * 1536 + layer * 8192) / 8];
        codes[0] = 0xf0, codes[1] = codes[2] = 0xff;
      }
      std::fill_n(&expected[(16384 + head * 1024 + layer * 2048) / 8], 6, uint8_t{0xff});
    }
  CHECK(copy == expected);
}

TEST_CASE("blocks that a window let go are not in the file, and the rest goes on") {
  StateFolder folder;
  const std::string path = folder.file("a.kvstate");
  const auto model = makeToy(slideOver);
  const auto state = makeFilled(*model, 500);
  REQUIRE(state->table(1).firstHeld() == 3);
  saveState(*model, *state, path);
  const auto file = StateFile::open(path);
  CHECK(file.rows(0).numBlocks == 4);
  CHECK(file.rows(1).firstBlock == 3);
  CHECK(file.rows(1).numBlocks == 1);
  const auto loaded = loadState(*model, path);
  CHECK(loaded->table(1).firstHeld() == 3);
  CHECK(rowsOf(*loaded, "v", 1, 384) == rowsOf(*state, "v", 1, 384));
  CHECK(predictOne(*model, *loaded, toyIds(200, 3)) == predictOne(*model, *state, toyIds(200, 3)));
  CHECK(rowsOf(*loaded, "v", 0, 640) == rowsOf(*state, "v", 0, 640));
}

TEST_CASE("checkpoints come back: truncate goes where it went") {
  StateFolder folder;
  const std::string path = folder.file("a.kvstate");
  const auto model = makeToy();
  const auto state = model->makeState(0);
  for (const size_t piece : {30, 200, 5})
    predictOne(*model, *state, toyIds(piece, piece));
  REQUIRE(state->contents().checkpoints.size() > 1);
  saveState(*model, *state, path);
  const auto loaded = loadState(*model, path);
  for (const uint64_t length : {230, 30}) {
    loaded->truncate(length);
    state->truncate(length);
    CHECK(counted(*loaded) == static_cast<float>(length));
    CHECK(loaded->contents().checkpoints.size() == state->contents().checkpoints.size());
    saveState(*model, *loaded, folder.file("b.kvstate"));
    saveState(*model, *state, path);
    CHECK(readBytes(folder.file("b.kvstate")) == readBytes(path));
  }
}

TEST_CASE("of automatic checkpoints the latest come, of those that were asked for all") {
  StateFolder folder;
  const std::string path = folder.file("a.kvstate");
  const auto model = makeToy();
  const auto state = model->makeState(0);
  for (int i = 0; i < 5; ++i) {
    predictOne(*model, *state, {i});
    if (i == 0)
      state->checkpoint();
  }
  saveState(*model, *state, path);
  const auto lengths = [](const State &loaded) {
    std::vector<uint64_t> lengths;
    for (const auto &checkpoint : loaded.contents().checkpoints)
      lengths.push_back(checkpoint.length);
    return lengths;
  };
  CHECK(lengths(*loadState(*model, path)) == std::vector<uint64_t>{1, 2, 3, 4, 5});
  CHECK(lengths(*loadState(*model, path, {0, 2})) == std::vector<uint64_t>{1, 4, 5});
  CHECK(lengths(*loadState(*model, path, {0, 0})) == std::vector<uint64_t>{1});
}

TEST_CASE("a fork is saved as if it were alone, and a loaded state can be forked") {
  StateFolder folder;
  const auto model = makeToy();
  const auto state = makeFilled(*model, 200);
  const auto branch = state->fork();
  predictOne(*model, *branch, {1, 2});
  saveState(*model, *state, folder.file("a"));
  saveState(*model, *branch, folder.file("b"));
  const auto one = loadState(*model, folder.file("a")), two = one->fork();
  CHECK(predictOne(*model, *two, {1, 2}) == toyLogits(idsOf(*two)));
  CHECK(idsOf(*two) == idsOf(*loadState(*model, folder.file("b"))));
  CHECK(one->length() == 200);
}

TEST_CASE("a capacity of its own, but not less than its tokens nor more than the context") {
  StateFolder folder;
  const std::string path = folder.file("a.kvstate");
  const auto model = makeToy();
  const auto state = model->makeState(250);
  predictOne(*model, *state, toyIds(200, 1));
  saveState(*model, *state, path);
  CHECK(loadState(*model, path)->capacity() == 250);
  CHECK(loadState(*model, path, {200})->capacity() == 200);
  for (const uint64_t capacity : {199, TOY_CONTEXT + 1}) {
    CAPTURE(capacity);
    CHECK_THROWS_AS(loadState(*model, path, {capacity}), Error);
  }
}

TEST_CASE("a full disk leaves the old file") {
  const auto model = makeToy();
  const auto small = makeFilled(*model, 1);
  auto wide = makeToy([](Program &program) { program.description.slots[0].layout.sizeBytes = 1 << 20; });
  const auto large = wide->makeState(0);
  predictOne(*wide, *large, toyIds(300, 1));
  const std::string said = inChild([&]() -> std::string {
    if (!enterSmallDisk())
      return kNoLeave;
    saveState(*model, *small, "a.kvstate");
    std::string message = "none";
    try {
      saveState(*wide, *large, "a.kvstate");
    } catch (const Error &error) {
      message = error.what();
    }
    const bool isOld = loadState(*model, "a.kvstate")->length() == 1;
    const auto numFiles = std::distance(std::filesystem::directory_iterator("."), {});
    return isOld && numFiles == 1 ? message : "the old file is gone, or there are others: " + message;
  });
  CHECK_MESSAGE(
      said.find("cannot write 'a.kvstate': the disk is full (No space left on device), the file needs 31") == 0, said);
}

TEST_CASE("a process that is killed while it saves leaves a whole file") {
  StateFolder folder;
  const std::string path = folder.file("a.kvstate");
  const auto model = makeToy();
  const auto one = makeFilled(*model, 200), two = makeFilled(*model, 300);
  saveState(*model, *one, path);
  std::mt19937 random(20261125);
  for (int round = 0; round < 20; ++round) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
      while (true) {
        saveState(*model, *two, path);
        if (write(ends[1], "", 1) != 1)
          _exit(1);
        saveState(*model, *one, path);
      }
    close(ends[1]);
    char byte;
    for (auto files = random() % 3; files > 0; --files) // after some files, somewhere in the next
      REQUIRE(read(ends[0], &byte, 1) == 1);
    kill(child, SIGKILL);
    REQUIRE(waitpid(child, nullptr, 0) == child);
    close(ends[0]);
    const auto loaded = loadState(*model, path);
    CHECK((loaded->length() == 200 || loaded->length() == 300));
  }
}

TEST_CASE("links are followed, devices and folders refused") {
  StateFolder folder;
  const auto model = makeToy();
  const auto state = makeFilled(*model, 3);
  saveState(*model, *state, folder.file("a"));
  std::filesystem::create_symlink("a", folder.path / "link");
  saveState(*model, *makeFilled(*model, 4), folder.file("link"));
  CHECK(std::filesystem::is_symlink(folder.path / "link"));
  CHECK(loadState(*model, folder.file("a"))->length() == 4);
  CHECK(loadState(*model, folder.file("link"))->length() == 4);
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  for (const std::string &path : {folder.file("pipe"), std::string("/dev/null"), folder.path.string()}) {
    CHECK_THROWS_AS(saveState(*model, *state, path), Error);
    CHECK(refusalOf(*model, path, KV_BAD_FILE) == "is no regular file");
  }
  CHECK(refusalOf(*model, folder.file("none"), KV_BAD_FILE) == "No such file or directory");
}
