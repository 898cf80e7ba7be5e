// SPDX-License-Identifier: MIT
// Layouts as the service says them, products against sums in double, and who may not have the service.
#include "backends/onednn/runtime/products.h"
#include "plugins/services.h"

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <doctest/doctest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace kvasir;
using namespace kvasir::onednn;
using dnnl::memory;
using Tag = memory::format_tag;

extern "C" int omp_get_max_threads(void);
extern "C" void omp_set_num_threads(int threads);

namespace {

constexpr int64_t kDepth = 96;

/// Where oneDNN's own reorder puts element (k, n), in elements: numbers up to 2^24 are exact in f32.
std::vector<float> reordered(int64_t columns, Tag tag) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::desc from({kDepth, columns}, memory::data_type::f32, Tag::ab);
  const memory::desc to({kDepth, columns}, memory::data_type::f32, tag);
  std::vector<float> numbers(kDepth * columns), blocks(to.get_size() / 4);
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = float(i + 1);
  memory source(from, engine, numbers.data()), target(to, engine, blocks.data());
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
  return blocks;
}

/// The same by the service's words.
std::vector<float> packed(int64_t columns, memory::data_type type, Tag tag) {
  const memory::desc desc({kDepth, columns}, type, tag);
  const std::optional<onednn_gemm_panel> panel = panelOf(desc);
  REQUIRE(panel);
  const int64_t bytes = type == memory::data_type::bf16 ? 2 : 4, perStep = bytes == 2 ? 2 : 1;
  std::vector<float> blocks(desc.get_size() / bytes);
  for (int64_t k = 0; k < kDepth; ++k)
    for (int64_t n = 0; n < columns; ++n) {
      const int64_t at = n / panel->block_columns * panel->block_bytes + k / perStep * panel->step_bytes +
                         (n % panel->block_columns * perStep + k % perStep) * bytes;
      blocks.at(at / bytes) = float(k * columns + n + 1);
    }
  return blocks;
}

const onednn_gemm_table &table() {
  setenv("KVASIR_SERVICE_PATH", KVASIR_SERVICE_FOLDER, 1);
  const auto service = offerService({ONEDNN_GEMM_NAME, ONEDNN_GEMM_VERSION, "bf16 576x224 96x64", "", true});
  REQUIRE_MESSAGE(service, service.message());
  return *static_cast<const onednn_gemm_table *>((*service)->table);
}

struct Case {
  int64_t depth, columns, rows;
};

/// The largest error of a product, as a share of the sum of magnitudes.
double errorOf(const onednn_gemm_table &gemm, const Case &of) {
  REQUIRE(gemm.can(ONEDNN_GEMM_F32, of.depth, of.columns, of.rows) == 1);
  const onednn_gemm_panel &layout = *gemm.panel(ONEDNN_GEMM_F32, of.depth, of.columns);
  const int64_t room = (of.columns + ONEDNN_GEMM_ROOM - 1) / ONEDNN_GEMM_ROOM * ONEDNN_GEMM_ROOM;
  std::vector<float> activations(of.rows * of.depth), panel(of.depth * room, NAN), result(of.rows * of.columns);
  const auto number = [](int64_t i) { return float(i * 7919 % 255 - 127) / 128; };
  const auto weight = [&](int64_t k, int64_t n) { return number(k * 31 + n * 17 + 5); };
  for (size_t i = 0; i < activations.size(); ++i)
    activations[i] = number(int64_t(i));
  for (int64_t k = 0; k < of.depth; ++k)
    for (int64_t n = 0; n < of.columns; ++n)
      panel[(n / layout.block_columns * layout.block_bytes + k * layout.step_bytes) / 4 + n % layout.block_columns] =
          weight(k, n);
  gemm.multiply(ONEDNN_GEMM_F32, of.depth, of.columns, of.rows, activations.data(), panel.data(), result.data());
  double worst = 0;
  for (int64_t m = 0; m < of.rows; ++m)
    for (int64_t n = 0; n < of.columns; ++n) {
      double sum = 0, magnitude = 1e-9;
      for (int64_t k = 0; k < of.depth; ++k) {
        const double product = double(activations[m * of.depth + k]) * weight(k, n);
        sum += product, magnitude += std::abs(product);
      }
      worst = std::max(worst, std::abs(result[m * of.columns + n] - sum) / magnitude);
    }
  return worst;
}

/// From here on this process may not have pages that are written and executed, as under systemd's
/// MemoryDenyWriteExecute.
void denyWriteAndExecute() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, PROT_WRITE | PROT_EXEC),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_WRITE | PROT_EXEC, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {std::size(filter), filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    _exit(2);
}

} // namespace

TEST_CASE("every layout of panels is said as it is") {
  using enum memory::data_type;
  for (int64_t columns : {64, 192}) {
    CHECK(packed(columns, f32, Tag::ab) == reordered(columns, Tag::ab));
    CHECK(packed(columns, bf16, Tag::BA16a64b2a) == reordered(columns, Tag::BA16a64b2a));
    CHECK(packed(columns, bf16, Tag::BA16a32b2a) == reordered(columns, Tag::BA16a32b2a));
    CHECK(packed(columns, bf16, Tag::BA16a16b2a) == reordered(columns, Tag::BA16a16b2a));
    CHECK(packed(columns, f32, Tag::BA16a64b) == reordered(columns, Tag::BA16a64b));
    CHECK(packed(columns, f32, Tag::BA16a16b) == reordered(columns, Tag::BA16a16b));
  }
  CHECK(packed(96, bf16, Tag::BA16a64b2a) == reordered(96, Tag::BA16a64b2a)); // 32 columns more than there are
  CHECK(packed(96, bf16, Tag::BA16a48b2a) == reordered(96, Tag::BA16a48b2a));
  CHECK_FALSE(panelOf(memory::desc({kDepth, 64}, bf16, Tag::ab))); // pairs lie apart
  CHECK_FALSE(panelOf(memory::desc({kDepth, 64}, f32, Tag::ba)));  // columns lie apart
  CHECK_FALSE(panelOf(memory::desc({kDepth, 40}, f32, Tag::BA16a64b).submemory_desc({kDepth, 8}, {0, 0})));
}

TEST_CASE("products of blocks of rows are right, whatever the shape") {
  const onednn_gemm_table &gemm = table();
  for (const Case &of :
       {Case{32, 32, 32}, Case{96, 64, 33}, Case{96, 96, 128}, Case{576, 224, 159}, Case{2048, 64, 40}}) {
    CAPTURE(of.columns);
    CHECK(errorOf(gemm, of) < double(of.depth) * 6e-8);
  }
}

TEST_CASE("several threads multiply at once, and their OpenMP settings stay") {
  const onednn_gemm_table &gemm = table();
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&gemm, i] {
      omp_set_num_threads(5 + i);
      CHECK(errorOf(gemm, {96, 64, 64 + i}) < 1e-5);
      CHECK(omp_get_max_threads() == 5 + i);
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST_CASE("a plugin's needs are looked at when it is loaded") {
  table();
  const auto whyNot = [](const std::string &needs) {
    const auto service = offerService({ONEDNN_GEMM_NAME, ONEDNN_GEMM_VERSION, needs, "", true});
    return service ? "" : service.message();
  };
  CHECK(whyNot("f32") == "");
  CHECK(whyNot("bf16 576x224 8192x32") == "");
  CHECK(whyNot("int8 576x224") == "it multiplies f32 and bf16; the plugin needs 'int8 576x224'");
  CHECK(whyNot("f32 576") == "it can't read what the plugin needs: 'f32 576'");
  CHECK(whyNot("f32 576x100000") == "the plugin needs a panel of 576 x 100000");
  CHECK(whyNot("f32 16777216x4096") == ""); // as large as may be: what it says of the layout takes no time
}

TEST_CASE("what oneDNN would compute slowly is refused by name") {
  if (Products::hasBf16())
    return; // there is no such type here
  const std::string why = Products().product({ONEDNN_GEMM_BF16, 96, 64, 128}).whyNot;
  CHECK(why.starts_with("oneDNN's product bf16 128 x 96 x 64 is"));
}

TEST_CASE("a process that may not write and execute pages does without") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    setenv("KVASIR_SERVICE_PATH", KVASIR_SERVICE_FOLDER, 1);
    denyWriteAndExecute();
    // The test's own process may have opened the library before: its entry is asked again.
    execl("/proc/self/exe", "test", "--no-skip", "--test-case=in a process that denies", nullptr);
    _exit(3);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("in a process that denies" * doctest::skip()) {
  const auto service = offerService({ONEDNN_GEMM_NAME, ONEDNN_GEMM_VERSION, "f32", "", true});
  REQUIRE_FALSE(service);
  CHECK(service.message() == "this process may not have pages that are written and executed, which oneDNN needs "
                             "(Operation not permitted)");
}
