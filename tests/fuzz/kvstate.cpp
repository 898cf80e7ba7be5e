// SPDX-License-Identifier: MIT
// Saved conversations: any bytes are refused, or are a state that a model can go on with. One mutated file in four gets
// right checksums again, so that what is behind them is reached.
#include "runtime/state/rows.h"
#include "runtime/state_file/saved_state.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/sliding_toy.h"
#include "tests/unit/state_bytes.h"

#include <cmath>

using namespace kvasir;
using namespace kvasir::runtime;

extern "C" size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t maxSize);

namespace {

void require(bool holds) {
  if (!holds)
    std::abort();
}

/// Everything that can be asked of the state, and a call on it.
void use(Model &model, State &state) {
  require(state.length() <= state.capacity() && state.capacity() <= TOY_CONTEXT);
  std::vector<int32_t> ids(state.length());
  state.readIds(0, ids.size(), ids.data());
  std::vector<float> rows(2 * state.length());
  for (const size_t slot : {0, 1})
    readRows(state, slot, 1, state.firstHeldRow(slot), state.length() - state.firstHeldRow(slot), rows.data());
  const auto branch = state.fork();
  branch->truncate(branch->longestLegalLength(state.length() / 2));
  if (state.length() < state.capacity())
    predictOne(model, state, {1});
  branch->reset();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const auto model = test::makeSlidingToy();
  static test::MemoryFile memory;
  memory.fill({bytes, size});
  try {
    const StateFile file = StateFile::open(memory.open());
    require(file.ids().size() == file.length());
    use(*model, *loadState(*model, file));
    file.verify(); // a state that was loaded has been verified
  } catch (const Error &error) {
    require(std::string_view(error.what()).find('\n') == std::string_view::npos);
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t maxSize, unsigned seed) {
  test::Bytes changed(bytes, bytes + LLVMFuzzerMutate(bytes, size, maxSize));
  const uint64_t blockBytes[] = {4096, 512, 4};
  if (seed % 4 == 0)
    test::repairAll(changed, blockBytes);
  std::copy(changed.begin(), changed.end(), bytes);
  return changed.size();
}
