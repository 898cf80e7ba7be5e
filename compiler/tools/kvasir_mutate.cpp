// SPDX-License-Identifier: MIT
#include "compiler/mutate/options.h"

#include <CLI/CLI.hpp>

namespace {
constexpr int kUsageError = 2;

void addOptions(CLI::App &app, kvasir::MutateOptions &options) {
  app.add_option("program", options.input, "A program (.mlir) or a model (.gguf)")->required()->type_name("PROGRAM");
  app.add_flag("--json", options.json, "Print JSON instead of tables");
  app.add_flag("-v,--verbose", options.verbose, "Print the fate of each mutant");
  app.add_option("--only", options.only, "Only mutants whose kinds and names have this in them")->type_name("TEXT");
  app.add_flag("--unroll", options.unroll, "Layers one after another, so that each is broken alone");
  app.add_option("--backend", options.backend, "What survivors run on (default: reference)")->type_name("NAME");
  app.add_option("--seed", options.seed, "Of weights that are made up, and of inputs (default: 1)")->type_name("SEED");
  app.add_option("--disable", options.disable, "Rules that verify-state leaves out, to see what they are for")
      ->delimiter(',')
      ->type_name("RULE,...");
}
} // namespace

int main(int argc, char **argv) {
  CLI::App app(
      "Breaks a program's state in every way it knows; each mutant must be refused, or be shown by runs on the "
      "reference backend to do what the program does.",
      "kvasir-mutate");
  kvasir::MutateOptions options;
  addOptions(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp &help) {
    return app.exit(help);
  } catch (const CLI::ParseError &error) {
    std::cerr << "kvasir-mutate: " << error.what() << "\nusage: kvasir-mutate PROGRAM [--json]; --help says more\n";
    return kUsageError;
  }
  return kvasir::runMutations(options);
}
