// SPDX-License-Identifier: MIT
#include "plugins/window_writer.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace kvasir;

namespace {

/// A folder that is gone at the end of the test.
struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "kvasir-new-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const char *name) const { return (path / name).string(); }
  long numFiles() const { return std::distance(std::filesystem::directory_iterator(path), {}); }

  std::filesystem::path path;
};

std::string textOf(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string write(const std::string &path, const std::string &text) {
  auto file = NewFile::begin(path);
  if (!file)
    return file.message();
  if (Status status = (*file)->put(0, {reinterpret_cast<const uint8_t *>(text.data()), text.size()}); !status)
    return status.message();
  Status status = (*file)->publish();
  return status ? "" : status.message();
}

} // namespace

TEST_CASE("what is there stays until the new file is whole, and keeps its permissions") {
  Folder folder;
  const std::string path = folder.file("a");
  REQUIRE(write(path, "old") == "");
  REQUIRE(chmod(path.c_str(), 0600) == 0);
  {
    auto file = NewFile::begin(path);
    REQUIRE(file);
    REQUIRE((*file)->reserve(100));
    CHECK(textOf(path) == "old");
  }
  CHECK(textOf(path) == "old");
  CHECK(folder.numFiles() == 1);
  CHECK(write(path, "new") == "");
  CHECK(textOf(path) == "new");
  CHECK(folder.numFiles() == 1);
  struct stat facts;
  REQUIRE(stat(path.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
}

TEST_CASE("a link stays a link, its file is replaced; also one that leads nowhere yet") {
  Folder folder;
  std::filesystem::create_directory(folder.path / "deep");
  REQUIRE(write(folder.file("deep/a"), "old") == "");
  std::filesystem::create_symlink("deep/a", folder.path / "near");
  std::filesystem::create_symlink(folder.path / "near", folder.path / "far");
  std::filesystem::create_symlink("deep/b", folder.path / "dangling");
  std::filesystem::create_symlink("round", folder.path / "round");
  CHECK(write(folder.file("far"), "new") == "");
  CHECK(textOf(folder.file("deep/a")) == "new");
  CHECK(std::filesystem::is_symlink(folder.path / "far"));
  CHECK(std::filesystem::is_symlink(folder.path / "near"));
  CHECK(write(folder.file("dangling"), "made") == "");
  CHECK(textOf(folder.file("deep/b")) == "made");
  CHECK(write(folder.file("round"), "x") ==
        "cannot write '" + folder.file("round") + "': Too many levels of symbolic links");
}

TEST_CASE("devices, pipes and folders are refused") {
  Folder folder;
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  for (const std::string &path : {std::string("/dev/null"), folder.file("pipe"), folder.path.string()})
    CHECK(write(path, "x") == "cannot write '" + path + "': it is there already and is no regular file");
  CHECK(write(folder.file("no/where"), "x") ==
        "cannot write '" + folder.file("no/where") + "': No such file or directory");
}

TEST_CASE("threads that write one file: the last one's is there, whole") {
  Folder folder;
  const std::string path = folder.file("a");
  std::vector<std::thread> threads;
  std::atomic<int> numFailed{0};
  for (char letter = 'a'; letter < 'e'; ++letter)
    threads.emplace_back([&, letter] {
      for (int i = 0; i < 8; ++i)
        numFailed += write(path, std::string(10000, letter)) != "";
    });
  for (std::thread &thread : threads)
    thread.join();
  CHECK(numFailed == 0);
  const std::string text = textOf(path);
  CHECK(text == std::string(10000, text[0]));
  CHECK(folder.numFiles() == 1);
}

TEST_CASE("a process that is killed while it writes leaves the old file or a new one, whole") {
  Folder folder;
  const std::string path = folder.file("a");
  std::mt19937 random(20261125);
  for (int round = 0; round < 12; ++round) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
      for (char letter = 'a';; letter = letter == 'z' ? 'a' : char(letter + 1)) {
        write(path, std::string(200000, letter));
        if (::write(ends[1], &letter, 1) != 1)
          _exit(1);
      }
    close(ends[1]);
    char letter;
    for (auto files = 1 + random() % 8; files > 0; --files) // after some files, somewhere in the next
      REQUIRE(read(ends[0], &letter, 1) == 1);
    kill(child, SIGKILL);
    REQUIRE(waitpid(child, nullptr, 0) == child);
    close(ends[0]);
    const std::string text = textOf(path);
    REQUIRE(text == std::string(200000, text.empty() ? 'a' : text[0]));
  }
}

/// Runs of bytes of a file that do not meet, in the order in which they come.
static std::vector<std::pair<uint64_t, uint64_t>> cutIntoRuns(uint64_t begin, uint64_t end, uint64_t longest,
                                                              std::mt19937 &random) {
  std::vector<std::pair<uint64_t, uint64_t>> runs;
  for (uint64_t at = begin; at < end;) {
    const uint64_t size = std::min<uint64_t>(end - at, 1 + random() % longest);
    if (random() % 8) // the others stay zero
      runs.emplace_back(at, size);
    at += size;
  }
  return runs;
}

TEST_CASE("bytes that come in pieces, from several threads and in any order, are in the file after a flush") {
  std::mt19937 random(5);
  Folder folder;
  for (const bool isShuffled : {false, true}) {
    CAPTURE(isShuffled);
    const uint64_t begin = 65536 * 3, end = begin + 11 * WindowWriter::kWindowBytes + 12345;
    auto runs = cutIntoRuns(begin, end, 700000, random);
    if (isShuffled)
      std::shuffle(runs.begin(), runs.end(), random);
    std::vector<uint8_t> expected(end), bytes(end);
    for (uint8_t &byte : bytes)
      byte = uint8_t(random());
    for (const auto &[at, size] : runs)
      std::copy_n(bytes.begin() + long(at), size, expected.begin() + long(at));
    const std::string path = folder.file("windows");
    auto file = NewFile::begin(path);
    REQUIRE(file);
    REQUIRE((*file)->reserve(end));
    WindowWriter writer(**file, begin, end);
    std::atomic<size_t> next = 0;
    std::atomic<bool> isGood = true;
    auto work = [&] {
      for (size_t i; (i = next.fetch_add(1)) < runs.size();)
        if (!writer.put(runs[i].first, std::span(bytes).subspan(runs[i].first, runs[i].second)))
          isGood = false;
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back(work);
    for (std::thread &thread : threads)
      thread.join();
    CHECK(isGood);
    CHECK(writer.flush());
    REQUIRE((*file)->publish());
    const std::string text = textOf(path);
    CHECK(std::equal(expected.begin(), expected.end(), text.begin(), text.end(),
                     [](uint8_t a, char b) { return a == uint8_t(b); }));
  }
}
