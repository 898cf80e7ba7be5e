// SPDX-License-Identifier: MIT
#include "runtime/tools/audit_package.h"
#include "runtime/tools/command.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/interrupt.h"
#include "runtime/tools/output.h"
#include "runtime/tools/prompt.h"

#include "kvasir/audit.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

namespace kvasir::tools {
namespace {

struct AuditCommand {
  std::string model, against, backend, checks, page;
  PromptOptions prompt;
  uint64_t chunk = 0, seed = 1;
  uint32_t threads = 0;
  bool printsJson = false, printsAll = false;
};

int audit(const AuditCommand &command) {
  if (isPackage(command.model))
    return auditPackage({command.model, command.against, command.backend, command.page, command.printsJson});
  const Interrupt interrupt;
  const ModelOptions modelOptions{command.threads, Pinning::automatic, Unverified::take};
  const Model model(command.model, modelOptions);
  std::optional<Model> against;
  AuditOptions options;
  if (!command.against.empty())
    options.against = &against.emplace(command.against, modelOptions);
  if (isPromptGiven(command.prompt))
    options.ids = promptIds(model, command.prompt);
  options.chunk = command.chunk;
  options.checks = command.checks;
  options.seed = command.seed;
  options.cancel = &interrupt.cancel();
  Audit audit = runAudit(model, options);
  if (!command.page.empty())
    writeFile(command.page, audit.html());
  const auto findings = audit.findings();
  for (size_t i = 0; command.printsAll && !command.printsJson && i < findings.size(); ++i)
    print(findings[i] + "\n");
  printNow(command.printsJson ? audit.json() + "\n" : audit.text());
  return findings.empty() ? kDone : kFailed;
}

} // namespace

void addAudit(CLI::App &program, int &exitCode) {
  CLI::App *command = program.add_subcommand("audit", "Did each token reach its row of every layer of the state?");
  auto options = std::make_shared<AuditCommand>();
  command
      ->add_option("model", options->model, "a .kvasir file, or a .mlpackage, which kvasir-compile reads and compiles")
      ->required();
  addPromptOptions(*command, options->prompt);
  command->add_option("--chunk", options->chunk, "tokens of a call of the prompt; 0: all at once")
      ->check(CLI::Range(0, kMostTokens))
      ->capture_default_str();
  command->add_option("--checks", options->checks,
                      "some of rows,decode,chunks,batch,perturb,cancel; without it all of them");
  command->add_option("--against", options->against,
                      "another plugin of the same model whose rows are compared; or another package "
                      "of the same program");
  command->add_option("--backend", options->backend, "that a package is compiled for");
  command->add_option("--seed", options->seed, "of the random cuts")
      ->check(CLI::Range(int64_t{0}, kGreatestSeed))
      ->capture_default_str();
  command->add_option("-t,--threads", options->threads, "0: one for each core")->check(CLI::Range(0, 1024));
  command->add_flag("--json", options->printsJson, "print JSON");
  command->add_flag("--all", options->printsAll, "list all findings, also those that follow from others");
  command->add_option("--html", options->page, "write the report as a page to this file");
  command->footer("Without a prompt, tokens are made up. Exit code 0: no error was found, 1: the sentence says what, "
                  "3: nothing of a package could be called, so nothing is known.");
  command->callback([=, &exitCode] { exitCode = audit(*options); });
}

} // namespace kvasir::tools
