// SPDX-License-Identifier: MIT
// Toy models that differ in one thing, and files of their conversations.
#ifndef KVASIR_TESTS_UNIT_STATE_FILES_H
#define KVASIR_TESTS_UNIT_STATE_FILES_H

#include "runtime/state_file/saved_state.h"
#include "tests/unit/state_bytes.h"
#include "tests/unit/toy/toy_model.h"

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

namespace kvasir::test {

/// The toy model with an identity, changed before it is made.
inline std::shared_ptr<runtime::Model> makeToy(const std::function<void(runtime::Program &)> &change = {}) {
  return runtime::makeToyModel(1, [&](runtime::Program &program) {
    program.identity.fingerprint[0] = 1;
    program.identity.tokenizer[0] = 2;
    if (change)
      change(program);
  });
}

/// A folder that is gone at the end of the test.
class StateFolder {
public:
  StateFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "kvasir-state-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~StateFolder() { std::filesystem::remove_all(path); }
  std::string file(const char *name) const { return (path / name).string(); }
  long numFiles() const { return std::distance(std::filesystem::directory_iterator(path), {}); }

  std::filesystem::path path;
};

inline Bytes readBytes(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void writeBytes(const std::string &path, const Bytes &bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.flush());
}

/// A state that `count` tokens were given to.
inline std::unique_ptr<runtime::State> makeFilled(runtime::Model &model, size_t count, uint32_t seed = 1) {
  auto state = model.makeState(0);
  if (count > 0)
    runtime::predictOne(model, *state, runtime::toyIds(count, seed));
  return state;
}

/// What loading the file says, and its status; "" if it loads.
inline std::string refusalOf(const runtime::Model &model, const std::string &path, kv_status status) {
  try {
    runtime::loadState(model, path);
  } catch (const runtime::Error &error) {
    const std::string message = error.what(), prefix = "cannot load '" + path + "': ";
    CHECK(error.status() == status);
    CHECK(message.starts_with(prefix));
    CHECK(message.find('\n') == std::string::npos);
    return message.substr(std::min(prefix.size(), message.size()));
  }
  return "";
}

} // namespace kvasir::test

#endif
