// SPDX-License-Identifier: MIT
#include "compiler/driver/coreml_package.h"

#include "compiler/frontends/coreml/package.h"
#include "compiler/frontends/coreml/report.h"

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
} // namespace

llvm::Error kvasir::refuseCoremlPackage(const std::string &path) {
  Result<coreml::Package> package = coreml::Package::open(path);
  if (!package)
    return errorOf(path, package.message());
  std::string lines;
  for (const coreml::Finding &finding : coreml::findBugs(package->program()))
    if (finding.severity == coreml::Severity::error)
      lines += "\n  " + finding.text;
  return errorOf(path, lines.empty() ? "Core ML packages are read and reported on (--report), and not compiled"
                                     : "its functions lose state" + lines);
}

llvm::Error kvasir::reportCoremlPackage(const CompileOptions &options) {
  Result<coreml::Package> package = coreml::Package::open(options.input);
  if (!package)
    return errorOf(options.input, package.message());
  const std::vector<coreml::Finding> findings = coreml::findBugs(package->program());
  llvm::outs() << (options.json ? reportJson(package->program(), findings) : reportText(package->program(), findings));
  llvm::outs().flush();
  return coreml::hasErrors(findings) ? errorOf(options.input, "its functions lose state") : llvm::Error::success();
}
