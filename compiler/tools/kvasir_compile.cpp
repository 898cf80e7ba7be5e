// SPDX-License-Identifier: MIT
#include "compiler/driver/options.h"

#include <CLI/CLI.hpp>

namespace {
constexpr int kUsageError = 2;

const std::map<std::string, kvasir::EmitForm> kForms = {{"kv", kvasir::EmitForm::kv},
                                                        {"lm", kvasir::EmitForm::lm},
                                                        {"llvm", kvasir::EmitForm::llvm},
                                                        {"asm", kvasir::EmitForm::assembly}};

void addOptions(CLI::App &app, kvasir::CompileOptions &options) {
  app.add_option("input", options.input, "A model (.gguf, .mlpackage) or a program (.mlir)")
      ->required()
      ->type_name("IN");
  app.add_option("-o,--output", options.output, "The plugin to write; text goes to standard output without it")
      ->type_name("OUT");
  app.add_option("--backend", options.backend, "Its name, or the path of its library (default: cpu)")
      ->type_name("NAME");
  app.add_option("--backend-path", options.backendPath, "Folders to look for it first; then KVASIR_BACKEND_PATH's")
      ->delimiter(':')
      ->type_name("DIR[:DIR...]");
  app.add_option("--activations", options.activations, "Rounding before weights (default: auto)")
      ->check(CLI::IsMember({"auto", "int8", "bf16", "exact"}));
  app.add_option("--kv-type", options.kvType, "Elements of the KV cache's rows (default: auto, the backend's own)")
      ->check(CLI::IsMember({"auto", "bf16", "f16"}));
  app.add_option("--target", options.targets,
                 "Variants in one file: native, or some of avx2,avx2-vnni,avx512-vnni,avx512-bf16,avx512-fma")
      ->delimiter(',')
      ->type_name("NAME,...");
  app.add_option("--emit", options.emit, "Write text instead: the program (kv, lm), or code (llvm, asm)")
      ->transform(CLI::CheckedTransformer(kForms).description(""))
      ->type_name("kv|lm|llvm|asm");
  app.add_option("--random-weights", options.randomWeights, "For a program: make up its weights from this seed")
      ->type_name("SEED");
  app.add_flag("--vocab-only", options.vocabularyOnly, "A plugin with the tokenizer and no functions");
  app.add_flag("--probe", options.probe, "Compile each op as a function of its own, too: probe.blk.attn_q, ...");
  app.add_flag(
      "--unverified", options.unverified,
      "Compile a Core ML package though its functions lose state; hosts refuse the plugin unless they ask for it");
  app.add_flag("--report", options.report, "Say how a Core ML package (.mlpackage) keeps its states, and what is lost");
  app.add_flag("--explain", options.explain, "Say of each op which kernel takes it, or why none does")
      ->excludes("--report");
  app.add_flag("--json", options.json, "The report or the explanation as JSON");
  app.add_flag("--print-ir-after-change", options.printIrAfterChange,
               "Print the program after each pass that changes it");
  app.add_flag("--verify-each-pass", options.verifyEachPass, "Prove the state again after each pass");
  app.add_flag("--timing", options.timing, "Print how long each step took");
}
} // namespace

int main(int argc, char **argv) {
  CLI::App app("Compiles a model into a plugin whose state is proved.", "kvasir-compile");
  kvasir::CompileOptions options;
  addOptions(app, options);
  try {
    app.parse(argc, argv);
    const bool writesText = options.report || options.explain || options.emit != kvasir::EmitForm::plugin;
    if (options.output.empty() && !writesText)
      throw CLI::RequiredError("-o");
    if (options.json && !options.report && !options.explain)
      throw CLI::RequiresError("--json", "--report or --explain");
  } catch (const CLI::CallForHelp &help) {
    return app.exit(help);
  } catch (const CLI::ParseError &error) {
    std::cerr << "kvasir-compile: " << error.what() << "\nusage: kvasir-compile IN -o OUT; --help says more\n";
    return kUsageError;
  }
  return kvasir::runCompiler(options);
}
