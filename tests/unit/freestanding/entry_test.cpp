// SPDX-License-Identifier: MIT
// prepare and execute around a function that only notes that it ran.
#include "compiler/passes/codegen/freestanding/program.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <xmmintrin.h>

extern "C" const kv_plugin *kvasir_plugin(const kv_host *host);

namespace {
int numRuns, numSingleRuns;
unsigned modeSeen;

kv_status run(const kv_call *, uint64_t, uint64_t) {
  ++numRuns;
  modeSeen = _mm_getcsr();
  return KV_OK;
}
kv_status runSingle(const kv_call *, uint64_t, uint64_t) { return ++numSingleRuns, KV_OK; }
uint64_t scratch(const kv_call *call, uint64_t members) { return 64 * call->num_tokens + 128 * members; }
uint64_t noScratch(const kv_call *, uint64_t) { return 0; }

const int64_t kIdsExtents[] = {KVASIR_TOKENS}, kLogitsExtents[] = {KVASIR_WANTED, 8};
const kvasir_tensor kInput = {"ids", kIdsExtents, 1, 4, 8}, kOutput = {"logits", kLogitsExtents, 2, 4, 0};
const uint8_t kWrites[] = {1, 0, 1}, kIsRegister[] = {0, 0, 1};
const kvasir_function kFunction = {"forward", &kInput, &kOutput, 1, 1, kWrites, 512};
const kvasir_code kGeneral = {run, scratch, nullptr, nullptr, nullptr},
                  kSingle = {runSingle, noScratch, nullptr, nullptr, nullptr};
const kvasir_variant kVariant = {{sizeof(kv_plugin), KV_ABI, kvasir_prepare, kvasir_execute}, &kGeneral, &kSingle};
} // namespace

const kvasir_program kvasir_the_program = {3, 1, 1, 0, kIsRegister, &kFunction, &kVariant};

namespace {
/// A right call of T tokens in two sequences, to be broken by a test.
struct Call {
  explicit Call(uint64_t second = 2) {
    counts[1] = second;
    call.size = sizeof call;
    call.num_sequences = 2;
    call.num_tokens = 1 + second;
    call.num_wanted = 1;
    call.starts = starts;
    call.counts = counts;
    call.wanted = wanted;
    for (kv_view &view : views)
      view.num_blocks = 1;
    call.views = views;
    input = {ids, 4 * call.num_tokens};
    call.inputs = &input;
    call.outputs = &output;
    call.scratch = memory;
    call.scratch_bytes = sizeof memory;
    call.team = &team;
    call.message = message;
    call.message_bytes = sizeof message;
  }

  kv_status execute(uint32_t member = 0) {
    kv_host host = {sizeof host, KV_ABI, 0, 0};
    const kv_plugin *plugin = kvasir_plugin(&host);
    return plugin->execute(plugin, &call, member);
  }

  uint64_t starts[2] = {5, 0}, counts[2] = {1, 2};
  uint32_t wanted[1] = {0};
  int32_t ids[4] = {0, 7, 3, 1};
  float logits[8];
  kv_view views[6] = {};
  kv_tensor input, output = {logits, sizeof logits};
  alignas(64) uint8_t memory[1024];
  kv_team team = {sizeof(kv_team), 2, nullptr, nullptr};
  char message[80] = "";
  kv_call call = {};
};
} // namespace

TEST_CASE("a host that isn't understood gets nothing") {
  kv_host host = {sizeof host, KV_ABI + 1, 0, 0};
  CHECK(kvasir_plugin(&host) == nullptr);
  host = {sizeof host, KV_ABI, 1, 0}; // there is no such variant
  CHECK(kvasir_plugin(&host) == nullptr);
}

TEST_CASE("prepare names scratch and rows") {
  Call given;
  kv_rows rows[6];
  kv_plan plan = {sizeof plan, 0, 0, rows};
  CHECK(kvasir_prepare(&kVariant.plugin, &given.call, &plan) == KV_OK);
  CHECK(plan.scratch_bytes == 64 * 3 + 128 * 2);
  CHECK(rows[0].begin == 5);
  CHECK(rows[0].end == 6);
  CHECK(rows[1].begin == 0);
  CHECK(rows[1].end == 2);
  CHECK(rows[2].begin == rows[2].end); // a slot that the function leaves alone
  CHECK(rows[4].begin == 0);           // a register that it sets
  CHECK(rows[4].end == 1);
}

TEST_CASE("a right call runs, in the promised floating-point mode, and the caller's comes back") {
  const unsigned callers = _mm_getcsr() | 0x8040; // flush subnormals
  _mm_setcsr(callers);
  numRuns = 0;
  CHECK(Call().execute() == KV_OK);
  CHECK(numRuns == 1);
  CHECK((modeSeen & 0xffc0) == 0x1f80);
  CHECK((_mm_getcsr() & 0xffc0) == (callers & 0xffc0));
  _mm_setcsr(0x1f80);
}

TEST_CASE("one token runs the form for one") {
  Call given;
  given.call.num_sequences = given.call.num_tokens = 1;
  given.input.size_bytes = 4;
  numRuns = numSingleRuns = 0;
  CHECK(given.execute() == KV_OK);
  CHECK(numRuns == 0);
  CHECK(numSingleRuns == 1);
}

TEST_CASE("wrong calls are refused before anything runs, with a line") {
  numRuns = 0;
  Call given;
  SUBCASE("id") {
    given.ids[1] = 8;
    CHECK(given.execute() == KV_BAD_INPUT);
    CHECK(std::string(given.message) == "ids has the number 8, expected one of 0 to 7");
  }
  SUBCASE("negative id") {
    given.ids[2] = -3;
    CHECK(given.execute() == KV_BAD_INPUT);
    CHECK(std::string(given.message) == "ids has the number -3, expected one of 0 to 7");
  }
  SUBCASE("only member 0 writes the line") {
    given.ids[1] = 8;
    CHECK(given.execute(1) == KV_BAD_INPUT);
    CHECK(std::string(given.message).empty());
  }
  SUBCASE("a line that is too long is cut") {
    given.ids[1] = 8;
    given.call.message_bytes = 6;
    CHECK(given.execute() == KV_BAD_INPUT);
    CHECK(std::string(given.message) == "ids h");
  }
  SUBCASE("size") {
    given.output.size_bytes = 64;
    CHECK(given.execute() == KV_BAD_INPUT);
    CHECK(std::string(given.message) == "logits has 64 bytes, expected 32");
  }
  SUBCASE("wanted") {
    given.wanted[0] = 3;
    CHECK(given.execute() == KV_BAD_INPUT);
    CHECK(std::string(given.message) == "token 3 is wanted of a call of 3");
  }
  SUBCASE("counts") {
    given.counts[0] = 0;
    CHECK(given.execute() == KV_BAD_INPUT);
    CHECK(std::string(given.message) == "sequence 0 adds no token");
  }
  SUBCASE("capacity") {
    given.starts[0] = 128;
    CHECK(given.execute() == KV_CAPACITY);
    CHECK(std::string(given.message) == "the call makes 129 rows, the state has blocks for 128");
  }
  SUBCASE("scratch") {
    given.call.scratch_bytes = 100;
    CHECK(given.execute() == KV_BAD_INPUT);
    CHECK(std::string(given.message) == "scratch has 100 bytes, the call needs 448");
  }
  SUBCASE("function") {
    given.call.function = 1;
    CHECK(given.execute() == KV_BAD_INPUT);
    CHECK(std::string(given.message) == "function 1 is not one of the plugin's 1");
  }
  CHECK(numRuns == 0);
}
