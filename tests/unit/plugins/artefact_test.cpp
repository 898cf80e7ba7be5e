// SPDX-License-Identifier: MIT
// Files that are right: written, loaded, run, and damaged afterwards.
#include "plugins/cpu_features.h"
#include "plugins/loader.h"
#include "plugins/note.h"
#include "tests/unit/plugins/fixture.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace kvasir;
using namespace kvasir::test;

namespace {

/// Runs the plain plugin on three ids and returns the first logit of the last.
float runPlain(const LoadedPlugin &plugin) {
  std::vector<uint8_t> block(512);
  uint8_t *blocks[] = {block.data()};
  float total = 10, newTotal = 0, logits[8] = {};
  const kv_view views[] = {{blocks, 1, nullptr, nullptr},
                           {nullptr, 0, reinterpret_cast<uint8_t *>(&total), reinterpret_cast<uint8_t *>(&newTotal)}};
  const uint64_t starts[] = {0}, counts[] = {3}, firsts[] = {0};
  int32_t ids[] = {1, 2, 4};
  const uint32_t wanted[] = {2};
  const kv_tensor inputs[] = {{ids, sizeof ids}}, outputs[] = {{logits, sizeof logits}};
  kv_call call = {};
  call.size = sizeof call;
  call.num_sequences = 1;
  call.num_tokens = 3;
  call.num_wanted = 1;
  call.starts = starts;
  call.counts = counts;
  call.firsts = firsts;
  call.wanted = wanted;
  call.views = views;
  call.inputs = inputs;
  call.outputs = outputs;
  call.weights = plugin.weights().data();
  kv_rows writes[2] = {};
  kv_plan plan = {sizeof plan, 0, 1, writes};
  REQUIRE(plugin.table().prepare(&plugin.table(), &call, &plan) == KV_OK);
  CHECK(plan.scratch_bytes == 0);
  CHECK(writes[0].end == 3);
  REQUIRE(plugin.table().execute(&plugin.table(), &call, 0) == KV_OK);
  CHECK(newTotal == 17);
  CHECK(reinterpret_cast<float *>(block.data())[2] == 4);
  return logits[0];
}

std::unique_ptr<LoadedPlugin> mustLoad(const std::string &path, const LoadOptions &options = {}) {
  auto plugin = LoadedPlugin::load(path, options);
  REQUIRE_MESSAGE(plugin, plugin.message());
  return std::move(*plugin);
}

void flipByte(const std::string &path, uint64_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(std::streamoff(offset));
  const char byte = char(file.get() ^ 0x10);
  file.seekp(std::streamoff(offset));
  file.put(byte);
  REQUIRE(file.flush());
}

size_t numEntries(const char *path) {
  return size_t(std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator()));
}

size_t numMaps() {
  std::ifstream maps("/proc/self/maps");
  return size_t(std::count(std::istreambuf_iterator<char>(maps), {}, '\n'));
}

} // namespace

TEST_CASE("a plugin in plain C loads and runs, with nothing but its note") {
  auto plugin = mustLoad(builtPlugin("plain_plugin"));
  CHECK_FALSE(plugin->file().isSealed());
  CHECK(plugin->description().model.name == "plain");
  CHECK(plugin->description().slots.size() == 2);
  CHECK(plugin->variantName() == "any");
  CHECK(plugin->weights().empty());
  CHECK(runPlain(*plugin) == 17);
  CHECK(plugin->file().verifyWeights());
  CHECK(plugin->file().stillWhole());
}

TEST_CASE("the README's command builds a plugin") {
  TemporaryFolder folder;
  const Bytes bytes = readBytes(KVASIR_SOURCE_FOLDER "/plugins/README.md");
  const std::string readme(bytes.begin(), bytes.end()), begin = "\n    cc ", output = " -o plain.kvasir\n";
  const size_t from = readme.find(begin), to = readme.find(output);
  REQUIRE(from < to);
  const std::string options = readme.substr(from + begin.size(), to - from - begin.size());
  const std::string path = folder.file("plain.kvasir");
  REQUIRE(std::system(("cd " KVASIR_SOURCE_FOLDER " && " KVASIR_C_COMPILER " " + options + " -o " + path).c_str()) ==
          0);
  CHECK(runPlain(*mustLoad(path)) == 17);
}

TEST_CASE("a sealed file has its sections and weights, however these are loaded") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.kvasir");
  const Bytes weights = exampleWeights((3 << 20) + 1000);
  sealPlainPlugin(path, weights);
  CHECK(numEntries(folder.path.c_str()) == 1);
  for (WeightsAccess access : {WeightsAccess::map, WeightsAccess::populate, WeightsAccess::copy})
    for (CodeCopy copy : {CodeCopy::sealed, CodeCopy::none}) {
      auto plugin = mustLoad(path, {access, true, "", copy});
      CHECK(plugin->file().isSealed());
      CHECK(std::equal(weights.begin(), weights.end(), plugin->weights().begin(), plugin->weights().end()));
      CHECK(reinterpret_cast<uintptr_t>(plugin->weights().data()) % 4096 == 0);
      CHECK(runPlain(*plugin) == 17 + 100);
    }
  auto file = PluginFile::open(path);
  REQUIRE(file);
  CHECK(file->manifest().weights_offset % KV_WEIGHTS_BORDER == 0);
  CHECK(*file->section("tokenizer") == Bytes(1000, 'v'));
  CHECK(file->section("nothing").message() == "has no section 'nothing'");
  CHECK(*file->tensors() == exampleTensors(weights.size()));
  CHECK(file->verifySections());
}

TEST_CASE("equal contents give equal files, and a changed weight another build") {
  TemporaryFolder folder;
  sealPlainPlugin(folder.file("a"), exampleWeights(70000));
  sealPlainPlugin(folder.file("b"), exampleWeights(70000));
  sealPlainPlugin(folder.file("c"), exampleWeights(70000, 3));
  CHECK(readBytes(folder.file("a")) == readBytes(folder.file("b")));
  auto a = PluginFile::open(folder.file("a")), c = PluginFile::open(folder.file("c"));
  CHECK(std::memcmp(a->manifest().build_id, c->manifest().build_id, 32) != 0);
}

TEST_CASE("damage is named") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.kvasir");
  sealPlainPlugin(path, exampleWeights(4 << 20));
  const kv_manifest manifest = PluginFile::open(path)->manifest();
  const Bytes whole = readBytes(path);

  SUBCASE("weights") {
    flipByte(path, manifest.weights_offset + (1 << 20) + 5);
    flipByte(path, manifest.weights_offset + (3 << 20));
    CHECK(LoadedPlugin::load(path));
    CHECK(LoadedPlugin::load(path, {.verifyWeights = true}).message() ==
          "cannot load '" + path +
              "': has damaged weights in 2 of 4 MiB: MiB 1 (blk.2.attn_q.weight blk.3.attn_q.weight), MiB 3 "
              "(output.weight); fetch or compile it again");
  }
  SUBCASE("code") {
    flipByte(path, 4096 + 8);
    CHECK(LoadedPlugin::load(path).message().find("is damaged: the hash of its code is") != std::string::npos);
  }
  SUBCASE("a section") {
    flipByte(path, PluginFile::open(path)->sections()[1].offset);
    CHECK(PluginFile::open(path)->verifySections().message() ==
          "is damaged: section 'tokenizer' does not have its hash");
  }
  SUBCASE("the directory") {
    flipByte(path, manifest.directory_offset + 33);
    CHECK(LoadedPlugin::load(path).message().find("its directory does not have the hash") != std::string::npos);
  }
  SUBCASE("the length") {
    std::filesystem::resize_file(path, whole.size() - 1);
    CHECK(LoadedPlugin::load(path).message().find("bytes long, its manifest says " + std::to_string(whole.size()) +
                                                  ": it is cut short") != std::string::npos);
  }
}

TEST_CASE("what happens to a file that is loaded") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.kvasir");
  sealPlainPlugin(path, exampleWeights(1 << 20));
  auto plugin = mustLoad(path, {.weights = WeightsAccess::copy});
  auto mapped = mustLoad(path);

  SUBCASE("replaced: each goes on with its own") {
    sealPlainPlugin(path, exampleWeights(1 << 20, 50));
    auto next = mustLoad(path);
    CHECK(runPlain(*mapped) == 117);
    CHECK(runPlain(*next) == 67);
  }
  SUBCASE("removed") {
    std::filesystem::remove(path);
    CHECK(runPlain(*mapped) == 117);
    CHECK(mapped->file().stillWhole());
  }
  SUBCASE("cut: a copy does not mind, and the next call is told") {
    std::filesystem::resize_file(path, 100000);
    CHECK(runPlain(*plugin) == 117);
    CHECK(mapped->file().stillWhole().message().find("file was cut or grown to 100000 bytes while in use") == 0);
    CHECK(mapped->file().verifyWeights().message() == "was cut short while its weights were read");
  }
  SUBCASE("code overwritten: the sealed copy runs") {
    flipByte(path, 4096 + 8);
    CHECK(runPlain(*mapped) == 117);
  }
}

TEST_CASE("loading and unloading leaves nothing behind, from many threads too") {
  TemporaryFolder folder;
  sealPlainPlugin(folder.file("a"), exampleWeights(70000, 1));
  sealPlainPlugin(folder.file("b"), exampleWeights(70000, 2));
  auto loadMany = [&](int count) {
    for (int i = 0; i < count; ++i) {
      auto a = LoadedPlugin::load(folder.file("a")), b = LoadedPlugin::load(folder.file("b"));
      if (!a || !b || &(*a)->table() == &(*b)->table() || (*a)->weights()[0] != 1 || (*b)->weights()[0] != 2)
        return false;
    }
    return true;
  };
  CHECK(loadMany(1));
  const size_t descriptors = numEntries("/proc/self/fd"), maps = numMaps();
  CHECK(loadMany(200));
  bool right[4] = {};
  {
    std::vector<std::jthread> threads;
    for (bool &result : right)
      threads.emplace_back([&] { result = loadMany(50); });
  }
  for (bool result : right)
    CHECK(result);
  CHECK(numEntries("/proc/self/fd") == descriptors);
  // One map left by each load would be 800; allocators, threads and sanitizers (ThreadSanitizer: 72) keep some.
  CHECK(numMaps() < maps + 200);
}

TEST_CASE("the first variant that the machine can run is taken, or the one that is asked for") {
  const std::string path = builtPlugin("odd_variants");
  auto plugin = mustLoad(path);
  CHECK(plugin->variant() == 1);
  CHECK(plugin->variantName() == "any");
  CHECK(mustLoad(path, {.variant = "any"})->variant() == 1);
  CHECK(LoadedPlugin::load(path, {.variant = "wide"})
            .message()
            .find("has no variant for this machine, which lacks CPU features: wide needs quantum; compile it again") !=
        std::string::npos);
  CHECK(LoadedPlugin::load(path, {.variant = "tall"}).message().find("has no variant 'tall'; it has wide, any") !=
        std::string::npos);
  setenv("KVASIR_VARIANT", "tall", 1);
  CHECK_FALSE(LoadedPlugin::load(path));
  CHECK(LoadedPlugin::load(path, {.variant = "any"}));
  unsetenv("KVASIR_VARIANT");
}

TEST_CASE("the machine's features have LLVM's names") {
  const CpuFeatures host = hostCpuFeatures();
  const std::string names = cpuFeatureNames(host);
  CHECK(names.find("sse3") != std::string::npos);
  CHECK(*cpuFeatureFromName("sse2") == CpuFeatures{});
  CHECK_FALSE(cpuFeatureFromName("quantum"));
  CHECK(cpuFeatureNames({0x1, uint64_t(1) << 63}) == "avx2 feature #127");
}

TEST_CASE("a note is what a loader reads, and names only features that it knows") {
  Description description;
  description.model.name = "näme";
  description.variants = {{"avx2", {"avx2", "fma"}}, {"wide", {"avx2", "avx512f"}}};
  auto note = makeNote(description, {{}, "kvasir test"});
  REQUIRE_MESSAGE(note, note.message());
  REQUIRE(note->size() % 4 == 0);
  kv_manifest manifest;
  std::memcpy(&manifest, note->data() + 20, sizeof manifest);
  CHECK(std::string(manifest.name) == "n??me");
  CHECK(manifest.cpu_features[0] == (*cpuFeatureFromName("avx2"))[0]);
  description.variants[1].features.push_back("quantum");
  CHECK(makeNote(description, {}).message().find("the CPU feature 'quantum', which no loader knows") !=
        std::string::npos);
}

TEST_CASE("a note that is linked into an image is read back, and so is its fingerprint") {
  TemporaryFolder folder;
  Description description;
  description.model = {"made by makeNote", "none", 77, 5, {{"E", 3}}};
  description.backend = "tests";
  NoteFacts facts{{}, "kvasir test"};
  facts.fingerprint[31] = 9;
  auto note = makeNote(description, facts);
  REQUIRE_MESSAGE(note, note.message());
  writeBytes(folder.file("note.bin"), *note);
  std::ofstream(folder.file("note.s")) << ".section " KV_NOTE_SECTION ", \"a\", @note\n.incbin \"note.bin\"\n"
                                       << ".section .note.GNU-stack, \"\", @progbits\n";
  REQUIRE(std::system(("cd " + folder.path.string() +
                       " && " KVASIR_C_COMPILER " -shared -fPIC -ffreestanding -nostdlib -fvisibility=hidden"
                       " -DODD_NO_NOTE -I" KVASIR_SOURCE_FOLDER "/plugins/include " KVASIR_SOURCE_FOLDER
                       "/tests/unit/plugins/odd_plugin.c note.s -o image -Wl,-z,now")
                          .c_str()) == 0);
  auto writer = ArtefactWriter::begin(folder.file("a.kvasir"), readBytes(folder.file("image")), {}, 0);
  REQUIRE_MESSAGE(writer, writer.message());
  REQUIRE((*writer)->finish());
  auto plugin = mustLoad(folder.file("a.kvasir"));
  CHECK(plugin->description() == description);
  CHECK(plugin->file().manifest().fingerprint[31] == 9);
  CHECK(std::string(plugin->file().manifest().producer) == "kvasir test");
}

TEST_CASE("an unfinished file leaves nothing, and an image that would be refused is not written") {
  TemporaryFolder folder;
  const std::string path = folder.file("a.kvasir");
  {
    auto writer = ArtefactWriter::begin(path, readBytes(builtPlugin("plain_plugin")), {}, 1000);
    REQUIRE(writer);
    CHECK((*writer)->write(990, Bytes(11)).message().find("end after the 1000 that were announced") !=
          std::string::npos);
  }
  CHECK(ArtefactWriter::begin(path, readBytes(builtPlugin("odd_needed")), {}, 0).message() ==
        "cannot write '" + path + "': the linked image needs another library (DT_NEEDED); a plugin needs none");
  CHECK(ArtefactWriter::begin(folder.file("no/where"), {}, {}, 0).message().find("No such file") != std::string::npos);
  CHECK(ArtefactWriter::begin("/dev/null", {}, {}, 0).message().find("is no regular file") != std::string::npos);
  CHECK(std::filesystem::is_empty(folder.path));
}
