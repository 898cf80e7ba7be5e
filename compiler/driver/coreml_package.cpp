// SPDX-License-Identifier: MIT
#include "compiler/driver/coreml_package.h"

#include "compiler/frontends/coreml/package.h"
#include "compiler/frontends/coreml/report.h"
#include "compiler/models/mil/import.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

using namespace kvasir;

bool kvasir::isCoremlPackage(const std::string &path) {
  return llvm::StringRef(path).rtrim('/').ends_with(".mlpackage");
}

namespace {
llvm::Error errorOf(const std::string &path, const std::string &message) {
  return llvm::createStringError("%s: %s", path.c_str(), message.c_str());
}

/// The first few of the lines, and how many more there are.
std::string fewOf(const std::vector<std::string> &lines, const std::string &whereAllAre) {
  constexpr size_t kMostLines = 4;
  std::string text;
  for (size_t i = 0; i < std::min(lines.size(), kMostLines); ++i)
    text += "\n  " + lines[i];
  if (lines.size() > kMostLines)
    text += "\n  and " + std::to_string(lines.size() - kMostLines) + " more; " + whereAllAre;
  return text;
}

std::vector<std::string> errorsOf(const coreml::Program &program) {
  std::vector<std::string> errors;
  for (const coreml::Finding &finding : coreml::findBugs(program))
    if (finding.severity == coreml::Severity::error)
      errors.push_back(finding.text);
  return errors;
}

std::string joined(const std::vector<std::string> &lines) {
  std::string text;
  for (const std::string &line : lines)
    text += "\n  " + line;
  return text;
}

/// None if the program cannot be imported.
std::vector<coreml::StateForm> formsOf(const coreml::Program &program, mil::Forms wanted) {
  mlir::MLIRContext context;
  mil::PackageWeights constants;
  Result<mil::ImportedProgram> imported = mil::importProgram(program, "", "", wanted, constants, &context);
  return imported ? std::move(imported->forms) : std::vector<coreml::StateForm>();
}

class CoremlProgram final : public SourceProgram {
public:
  CoremlProgram(std::string path, coreml::Package opened, bool isVerified)
      : path(std::move(path)), package(std::move(opened)), verified(isVerified) {}

  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> import(mlir::MLIRContext *context) override {
    const llvm::StringRef name = llvm::StringRef(path).rtrim('/').rsplit('/').second;
    Result<mil::ImportedProgram> imported =
        mil::importProgram(package.program(), name.empty() ? llvm::StringRef(path) : name, toHex(package.digest()),
                           verified ? mil::Forms::all : mil::Forms::opaque, constants, context);
    if (!imported)
      return errorOf(path, imported.message());
    forms = std::move(imported->forms);
    return std::move(imported->module);
  }

  llvm::Expected<const WeightSource *> weights() override { return &constants; }
  llvm::Expected<std::vector<Section>> sections() override {
    const std::string report = reportJson(package.program(), coreml::findBugs(package.program()), forms);
    return std::vector<Section>{{"report", {report.begin(), report.end()}}};
  }
  /// Nothing, since a package's types say where it rounds.
  std::string usualActivations() const override { return "exact"; }
  bool isVerified() const override { return verified; }

private:
  std::string path;
  coreml::Package package;
  bool verified;
  mil::PackageWeights constants; ///< of `package`
  std::vector<coreml::StateForm> forms;
};
} // namespace

llvm::Expected<std::unique_ptr<SourceProgram>> kvasir::openCoremlPackage(const CompileOptions &options) {
  Result<coreml::Package> package = coreml::Package::open(options.input);
  if (!package)
    return errorOf(options.input, package.message());
  const std::vector<std::string> errors = errorsOf(package->program());
  if (!errors.empty() && !options.unverified)
    return errorOf(options.input, "its functions lose state" +
                                      fewOf(errors, "--report lists them, --unverified compiles them all the same"));
  const std::vector<std::string> unknown = mil::unknownOps(package->program());
  if (!unknown.empty())
    return errorOf(options.input,
                   "has " + std::to_string(unknown.size()) + " ops that are not known" + joined(unknown));
  return std::make_unique<CoremlProgram>(options.input, std::move(*package), errors.empty());
}

llvm::Error kvasir::reportCoremlPackage(const CompileOptions &options) {
  Result<coreml::Package> package = coreml::Package::open(options.input);
  if (!package)
    return errorOf(options.input, package.message());
  const std::vector<coreml::Finding> findings = coreml::findBugs(package->program());
  const std::vector<coreml::StateForm> forms =
      formsOf(package->program(), coreml::hasErrors(findings) ? mil::Forms::opaque : mil::Forms::all);
  llvm::outs() << (options.json ? reportJson(package->program(), findings, forms)
                                : reportText(package->program(), findings, forms));
  llvm::outs().flush();
  return coreml::hasErrors(findings) ? errorOf(options.input, "its functions lose state") : llvm::Error::success();
}
