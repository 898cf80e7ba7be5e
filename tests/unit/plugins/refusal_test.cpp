// SPDX-License-Identifier: MIT
// Every refusal, by name. A constructor or resolver that ran would end the test.
#include "plugins/cpu_features.h"
#include "plugins/loader.h"
#include "tests/unit/plugins/fixture.h"

#include <csignal>
#include <dlfcn.h>
#include <elf.h>
#include <span>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace kvasir;
using namespace kvasir::test;

namespace {

std::string refusalOf(const std::string &path) {
  auto plugin = LoadedPlugin::load(path);
  REQUIRE_FALSE(plugin);
  const std::string prefix = "cannot load '" + path + "': ";
  REQUIRE(plugin.message().substr(0, prefix.size()) == prefix);
  CHECK(plugin.message().find('\n') == std::string::npos);
  return plugin.message().substr(prefix.size());
}

bool begins(const std::string &text, const std::string &prefix) { return text.substr(0, prefix.size()) == prefix; }

/// The signal that ends a process which does this, or 0.
int endOf(const std::function<void()> &body) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGILL, SIG_DFL); // doctest would report it
    body();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

} // namespace

TEST_CASE("plugins that are wrong in one way") {
  struct Row {
    std::string plugin, refusal;
  };
  const Row rows[] = {
      {"odd_call", "calls through a procedure linkage table (DT_JMPREL)"},
      {"odd_constructor", "has code that runs at load (DT_INIT_ARRAY)"},
      {"odd_declines", "declined this host (ABI 1, variant any)"},
      {"odd_destructor", "has code that runs at unload (DT_FINI_ARRAY)"},
      {"odd_format", "has a bad description: description: has format 7, this host reads format 1"},
      {"odd_ifunc", "relocation "},
      {"odd_import", "relocation "},
      {"odd_needed", "needs another library (DT_NEEDED); a plugin needs none"},
      {"odd_no_execute", "has no function prepare, or none called execute"},
      {"odd_no_export", "does not export the function kvasir_plugin"},
      {"odd_no_note", "has no Kvasir note: it is no plugin, or was stripped of it"},
      {"odd_nodelete", "has loader flags that are not allowed (0x8)"},
      {"odd_omagic", "segment 0 "},
      {"odd_rpath", "has a search path (DT_RUNPATH)"},
      {"odd_soname", "has a library name (DT_SONAME)"},
      {"odd_stack", "asks for an executable stack"},
      {"odd_tls", "has thread-local storage; a plugin keeps none"},
      {"odd_two_notes", "has two Kvasir notes"},
      {"odd_wide", "has no variant for this machine, which lacks CPU features: wide needs quantum"},
  };
  for (const Row &row : rows) {
    CAPTURE(row.plugin);
    const std::string refusal = refusalOf(builtPlugin(row.plugin));
    CAPTURE(refusal);
    CHECK(begins(refusal, row.refusal));
  }
  CHECK(LoadedPlugin::load(builtPlugin("odd_plain")));
}

TEST_CASE("files that are no plugins") {
  TemporaryFolder folder;
  CHECK(refusalOf("/bin/true").find("is a program, not a plugin") != std::string::npos);
  CHECK(refusalOf(folder.path.string()) == "is no regular file");
  CHECK(refusalOf(folder.file("nothing")) == "No such file or directory");
  REQUIRE(mkfifo(folder.file("fifo").c_str(), 0600) == 0);
  CHECK(refusalOf(folder.file("fifo")) == "is no regular file");
  writeBytes(folder.file("empty"), {});
  CHECK(refusalOf(folder.file("empty")) == "is 0 bytes long, too short for a plugin");
  writeBytes(folder.file("text"), Bytes(1000, 'r'));
  CHECK(refusalOf(folder.file("text")) == "is no ELF file (it begins 72 72 72 72)");
  Bytes gguf(1000);
  std::memcpy(gguf.data(), "GGUF", 4);
  writeBytes(folder.file("gguf"), gguf);
  const std::string command = "; compile it first: kvasir-compile " + folder.file("");
  CHECK(refusalOf(folder.file("gguf")) == "is a GGUF model" + command + "gguf -o " + folder.file("gguf.kvasir"));
  std::filesystem::create_directory(folder.file("m.mlpackage"));
  for (const char *name : {"m.mlpackage", "m.mlpackage/"})
    CHECK(refusalOf(folder.file(name)) ==
          "is a Core ML package" + command + "m.mlpackage -o " + folder.file("m.kvasir"));
}

TEST_CASE("images with strange headers") {
  TemporaryFolder folder;
  const std::string path = folder.file("patched.kvasir");
  auto refusalWith = [&](const std::function<void(Elf64_Ehdr &, std::span<Elf64_Phdr>)> &patch) {
    Bytes bytes = readBytes(builtPlugin("plain_plugin"));
    auto &header = *reinterpret_cast<Elf64_Ehdr *>(bytes.data());
    patch(header, {reinterpret_cast<Elf64_Phdr *>(bytes.data() + header.e_phoff), header.e_phnum});
    writeBytes(path, bytes);
    return refusalOf(path);
  };
  auto patched = [](uint32_t type, const std::function<void(Elf64_Phdr &)> &patch) {
    return [=](Elf64_Ehdr &, std::span<Elf64_Phdr> segments) {
      for (Elf64_Phdr &segment : segments)
        if (segment.p_type == type)
          return patch(segment);
      FAIL("no segment of type " << type);
    };
  };
  CHECK(refusalWith([](Elf64_Ehdr &header, auto) { header.e_machine = EM_AARCH64; }) ==
        "is for machine 183, this host is x86-64 (62)");
  CHECK(begins(refusalWith([](Elf64_Ehdr &header, auto) { header.e_ident[EI_CLASS] = 1; }), "is no 64-bit"));
  CHECK(begins(refusalWith([](Elf64_Ehdr &header, auto) { header.e_phnum = 60000; }), "has 60000 program headers"));
  CHECK(begins(refusalWith([](Elf64_Ehdr &header, auto) { header.e_phoff = UINT64_MAX - 7; }),
               "has its program headers outside the file"));
  CHECK(refusalWith(patched(PT_LOAD, [](Elf64_Phdr &load) { load.p_flags = PF_R | PF_W | PF_X; })) ==
        "segment 0 is writable and executable");
  CHECK(begins(refusalWith(patched(PT_LOAD, [](Elf64_Phdr &load) { load.p_memsz = uint64_t(1) << 40; })),
               "segment 0 asks for 1099511627776 bytes of memory"));
  CHECK(begins(refusalWith(patched(PT_LOAD, [](Elf64_Phdr &load) { load.p_filesz = UINT64_MAX; })),
               "segment 0 ends after the file"));
  CHECK(refusalWith(patched(PT_LOAD, [](Elf64_Phdr &load) { load.p_memsz = 1 << 20; })) ==
        "segment 1 shares a page with another");
  CHECK(refusalWith(patched(PT_LOAD, [](Elf64_Phdr &load) { load.p_align = 24; })) == "segment 0 is misaligned");
  CHECK(begins(refusalWith(patched(PT_GNU_STACK, [](Elf64_Phdr &stack) { stack.p_type = PT_NULL; })),
               "does not say that its stack is not executable"));
  CHECK(begins(refusalWith(patched(PT_GNU_RELRO, [](Elf64_Phdr &relro) { relro.p_vaddr = 0; })),
               "protects memory outside its writable segments"));
  CHECK(begins(refusalWith(patched(PT_NOTE, [](Elf64_Phdr &note) { note.p_offset += 4096; })), "segment "));
  CHECK(begins(refusalWith(patched(PT_DYNAMIC, [](Elf64_Phdr &dynamic) { dynamic.p_offset += 16; })),
               "has no dynamic table inside its segments"));
  CHECK(begins(refusalWith(patched(PT_DYNAMIC, [](Elf64_Phdr &dynamic) { dynamic.p_type = PT_NULL; })),
               "has no dynamic table, or two"));
}

TEST_CASE("manifests that do not fit this host") {
  TemporaryFolder folder;
  const std::string path = folder.file("patched.kvasir");
  auto refusalWith = [&](const std::function<void(kv_manifest &)> &patch) {
    Bytes bytes = readBytes(builtPlugin("plain_plugin"));
    patchManifest(bytes, patch);
    writeBytes(path, bytes);
    return refusalOf(path);
  };
  CHECK(refusalWith([](kv_manifest &m) { m.abi_min = m.abi_max = 7; }) ==
        "needs plugin ABI 7 to 7, this host has 1; compile it again");
  CHECK(refusalWith([](kv_manifest &m) { m.abi_min = 2; }) == "has the empty ABI range 2 to 1");
  CHECK(refusalWith([](kv_manifest &m) { m.format = 9; }) ==
        "has manifest format 9, this host reads format 1; compile it again");
  CHECK(refusalWith([](kv_manifest &m) { m.kind = KV_KIND_BACKEND; }) ==
        "is of kind 2 (a backend), a model is of kind 1");
  CHECK(refusalWith([](kv_manifest &m) { m.page_bytes = 16; }) ==
        "is laid out for pages of 16 bytes, this machine has 4096");
  CHECK(refusalWith([](kv_manifest &m) { m.cpu_features[1] = uint64_t(1) << 40; }) ==
        "needs CPU features that this machine lacks: feature #104; compile it again on this machine or with another "
        "--target");
  CHECK(refusalWith([](kv_manifest &m) { m.flags = 16; }) == "has flags that this host does not know (16)");
  CHECK(refusalWith([](kv_manifest &m) { m.name[0] = '\x1b'; }) ==
        "has a manifest whose name or producer is not plain text");
  CHECK(begins(refusalWith([](kv_manifest &m) { m.description_size += 4; }), "has a manifest of 352 bytes and a"));
  CHECK(begins(refusalWith([](kv_manifest &m) { m.weights_size = 4; }), "is not sealed, but its manifest names"));
  CHECK(refusalWith([](kv_manifest &m) { m.schema_hash[3] = 1; }) ==
        "has a schema hash that is not that of its slots; compile it again");
}

TEST_CASE("no code of a refused plugin runs") {
  // What would run does end the process: the plugin's own function, and a constructor inside dlopen.
  CHECK(endOf([] { (void)LoadedPlugin::load(builtPlugin("odd_traps")); }) == SIGILL);
  CHECK(endOf([] { dlopen(builtPlugin("odd_constructor").c_str(), RTLD_NOW); }) == SIGILL);
  CHECK(endOf([] { (void)LoadedPlugin::load(builtPlugin("odd_constructor")); }) == 0);
  CHECK(endOf([] { (void)PluginFile::open(builtPlugin("odd_traps")); }) == 0);

  TemporaryFolder folder;
  const std::string path = folder.file("patched.kvasir");
  const auto refusalWith = [&](const Bytes &whole, const std::function<void(kv_manifest &)> &patch) {
    Bytes bytes = whole;
    patchManifest(bytes, patch);
    writeBytes(path, bytes);
    return refusalOf(path);
  };
  const Bytes traps = readBytes(builtPlugin("odd_traps"));
  CHECK(begins(refusalWith(traps, [](kv_manifest &m) { m.abi_min = m.abi_max = 7; }), "needs plugin ABI 7 to 7"));
  CHECK(begins(refusalWith(traps, [](kv_manifest &m) { m.format = 9; }), "has manifest format 9"));
  CHECK(begins(refusalWith(traps, [](kv_manifest &m) { m.flags = KV_SANITIZED; }), "was built with a sanitizer"));
  CHECK(begins(refusalWith(traps, [](kv_manifest &m) { m.cpu_features[1] = uint64_t(1) << 63; }),
               "needs CPU features that this machine lacks"));

  const Bytes weights = exampleWeights(70000);
  auto writer = ArtefactWriter::begin(path, traps, {}, weights.size());
  REQUIRE(writer);
  REQUIRE((*writer)->write(0, weights));
  REQUIRE((*writer)->finish());
  const Bytes sealed = readBytes(path);
  CHECK(begins(refusalWith(sealed, [](kv_manifest &m) { m.build_id[0] ^= 1; }), "is damaged: the hash of its code"));
  writeBytes(path, {sealed.begin(), sealed.end() - 1});
  CHECK(begins(refusalOf(path), "is " + std::to_string(sealed.size() - 1) + " bytes long, its manifest says"));
  writeBytes(path, sealed);
  CHECK(endOf([&] { (void)LoadedPlugin::load(path); }) == SIGILL);
}

TEST_CASE("a plugin of another ABI is told so, whatever else it has that this one does not allow") {
  CHECK(refusalOf(builtPlugin("odd_constructor_abi")) == "needs plugin ABI 7 to 7, this host has 1; compile it again");
}

TEST_CASE("every CPU feature that this machine lacks is named") {
  const CpuFeatures host = hostCpuFeatures();
  TemporaryFolder folder;
  for (size_t i = 0; i < 128; ++i) {
    CpuFeatures feature{};
    feature[i / 64] = uint64_t(1) << i % 64;
    Bytes bytes = readBytes(builtPlugin("plain_plugin"));
    patchManifest(bytes,
                  [&](kv_manifest &manifest) { std::copy(feature.begin(), feature.end(), manifest.cpu_features); });
    writeBytes(folder.file("patched.kvasir"), bytes);
    if (missingCpuFeatures(feature, host) == CpuFeatures{})
      CHECK(LoadedPlugin::load(folder.file("patched.kvasir")));
    else
      CHECK(refusalOf(folder.file("patched.kvasir")) ==
            "needs CPU features that this machine lacks: " + cpuFeatureNames(feature) +
                "; compile it again on this machine or with another --target");
  }
}

TEST_CASE("a plugin with a sanitizer, whatever the host has") {
  for (const char *plugin : {"odd_asan", "odd_tsan"})
    CHECK(refusalOf(builtPlugin(plugin)) == "was built with a sanitizer, whose runtime a plugin can't have; build it "
                                            "without, or link its source into a host that was");
}

TEST_CASE("sealed manifests that name impossible places") {
  TemporaryFolder folder;
  const std::string path = folder.file("patched.kvasir");
  sealPlainPlugin(path, exampleWeights(70000));
  const Bytes whole = readBytes(path);
  auto refusalWith = [&](const std::function<void(kv_manifest &)> &patch) {
    Bytes bytes = whole;
    patchManifest(bytes, patch);
    writeBytes(path, bytes);
    return refusalOf(path);
  };
  CHECK(begins(refusalWith([](kv_manifest &m) { m.weights_offset += 4; }), "has weights at "));
  CHECK(begins(refusalWith([](kv_manifest &m) { m.weights_size = UINT64_MAX; }), "has weights at "));
  CHECK(begins(refusalWith([](kv_manifest &m) { m.weights_offset = UINT64_MAX - 65535; }), "has weights at "));
  CHECK(begins(refusalWith([](kv_manifest &m) { m.directory_offset = UINT64_MAX - 79; }), "has a directory at "));
  CHECK(begins(refusalWith([](kv_manifest &m) { m.directory_size = uint64_t(80) << 40; }), "has a directory at "));
  CHECK(begins(refusalWith([](kv_manifest &m) { m.directory_size -= 1; }), "has a directory at "));
  CHECK(begins(refusalWith([](kv_manifest &m) { m.image_size = 4096; }), "has segments up to byte "));
  CHECK(begins(refusalWith([](kv_manifest &m) { m.image_size = UINT64_MAX; }), "has an image of "));
  CHECK(begins(refusalWith([](kv_manifest &m) { m.flags = 0; }), "is not sealed, but its manifest names"));
  CHECK(begins(refusalWith([](kv_manifest &m) { m.fingerprint[0] ^= 1; }), "is damaged: the hash of its code"));
  CHECK(begins(refusalWith([](kv_manifest &m) { m.build_id[0] ^= 1; }), "is damaged: the hash of its code"));
}
