// SPDX-License-Identifier: MIT
#include "runtime/tools/audit_package.h"

#include "runtime/imported/against.h"
#include "runtime/imported/package_audit.h"
#include "runtime/imported/subprocess.h"
#include "runtime/tools/failed.h"
#include "runtime/tools/output.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace kvasir::tools {
namespace {

using imported::PackageFinding;
using imported::Severity;
using Json = nlohmann::ordered_json;

constexpr const char *kCompiler = "kvasir-compile", *kNotChecked = "not checked";
constexpr int kNotStarted = 127; // ld.so's exit code, as a shell's

constexpr int kUnchecked = 3; // neither done nor failed: nobody knows

/// What kvasir-compile says, on one line and not too long.
std::string onOneLine(std::string text) {
  constexpr size_t kMostBytes = 300;
  for (size_t at = text.find("\n  "); at != std::string::npos; at = text.find("\n  "))
    text.replace(at, 3, "; ");
  return text.size() > kMostBytes ? text.substr(0, kMostBytes) + "…" : text;
}

std::string withoutLastLine(std::string text) {
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

/// The first argument is the package.
imported::Ran runCompiler(const std::vector<std::string> &arguments) {
  const std::string compiler = imported::findProgram(kCompiler);
  const bool isBeside = compiler != kCompiler;
  const std::string reader = "'" + arguments[0] + "' is read by kvasir-compile, which ";
  const std::string found = reader + "was found " + (isBeside ? "at '" + compiler + "'" : "on PATH");
  imported::Ran ran;
  try {
    ran = imported::runProgram(compiler, arguments);
  } catch (const std::runtime_error &error) {
    throw Failed(isBeside ? found + " but could not be started: " + error.what()
                          : reader + "is neither beside kvasir nor on PATH");
  }
  if (ran.exitCode == kNotStarted)
    throw Failed(found + " but could not be started: " + withoutLastLine(ran.err));
  return ran;
}

/// What the programs alone say.
Json reportOf(const std::string &package) {
  const imported::Ran ran = runCompiler({package, "--report", "--json"});
  Json report = Json::parse(ran.out, nullptr, false);
  if (report.is_discarded() || !report.contains("findings"))
    throw Failed(ran.err.empty() ? "kvasir-compile says nothing of '" + package + "'" : withoutLastLine(ran.err));
  return report;
}

std::string textOf(const Json &finding, const char *name) {
  return finding.contains(name) && finding[name].is_string() ? finding[name].get<std::string>() : "";
}

std::vector<PackageFinding> findingsOf(const Json &report) {
  std::vector<PackageFinding> findings;
  for (const Json &each : report["findings"])
    findings.push_back({each.value("bug_class", 0),
                        textOf(each, "severity") == "error" ? Severity::error : Severity::warning,
                        textOf(each, "function"), textOf(each, "state"), textOf(each, "rows_written"),
                        textOf(each, "rows_expected"), textOf(each, "op"), textOf(each, "text")});
  return findings;
}

/// Functions in which one state is written before another, and takes its rows from a later op.
std::set<std::string> crossedFunctions(const Json &report) {
  std::set<std::string> crossed;
  for (const Json &function : report.value("functions", Json::array())) {
    std::map<uint64_t, uint64_t> makers; // update -> what its rows come from
    for (const Json &state : function.value("states", Json::array()))
      for (const Json &update : state.value("updates", Json::array()))
        if (update.contains("from") && update["from"].is_number_unsigned())
          makers[update.value("op", uint64_t{0})] = update["from"].get<uint64_t>();
    uint64_t latest = 0;
    for (const auto &[update, maker] : makers) {
      if (maker < latest)
        crossed.insert(textOf(function, "name"));
      latest = std::max(latest, maker);
    }
  }
  return crossed;
}

/// The package as a plugin, whatever it was found to do; the file is gone when this is.
class CompiledPackage {
public:
  CompiledPackage(const std::string &package, const std::string &backend) : file(".kvasir") {
    std::vector<std::string> arguments = {package, "-o", file.path(), "--unverified"};
    if (!backend.empty())
      arguments.insert(arguments.end(), {"--backend", backend});
    if (const imported::Ran ran = runCompiler(arguments); ran.exitCode != 0)
      throw Failed(withoutLastLine(ran.err));
    loaded = std::make_unique<imported::PluginProgram>(file.path());
  }

  const imported::Program &program() const { return *loaded; }

private:
  const imported::TemporaryFile file;
  std::unique_ptr<imported::PluginProgram> loaded;
};

struct Report {
  Json program; ///< of the compiler
  std::vector<PackageFinding> findings;
  std::vector<std::string> rowLines, inventions, notes;
  std::string result;
  std::string whyNothing; ///< why no function ran; empty if one did
};

void runFunctions(const PackageAuditOptions &options, Report &report) {
  bool needsPadding = false, wasRun = false;
  const imported::KnownFacts known{report.findings, crossedFunctions(report.program)};
  try {
    const CompiledPackage compiled(options.package, options.backend);
    imported::PackageAudit audit(compiled.program(), known);
    audit.run();
    wasRun = true;
    report.rowLines = std::move(audit.rowLines);
    report.inventions = std::move(audit.inventions);
    report.notes = std::move(audit.notes);
    report.whyNothing = std::move(audit.whyNothing);
    report.findings.insert(report.findings.end(), audit.findings.begin(), audit.findings.end());
    needsPadding = audit.needsPadding();
    if (!options.against.empty()) {
      const CompiledPackage right(options.against, options.backend);
      const std::string name = std::filesystem::path(options.against).filename().string();
      for (PackageFinding &each : imported::compareWith(compiled.program(), right.program(), name))
        report.findings.push_back(std::move(each));
      report.whyNothing.clear();
    }
  } catch (const std::exception &error) {
    report.notes.push_back(std::string(wasRun ? "not compared: " : "its functions were not run: ") + error.what());
    if (!wasRun)
      report.whyNothing = onOneLine(error.what());
  }
  if (report.findings.empty() && needsPadding) {
    report.result = "host-dependent";
    report.notes.push_back("a prompt that is shorter than the call must be filled up: rows behind it hold what was "
                           "filled in until they are overwritten, so a mask must hide them");
  }
}

std::string resultOf(const Report &report) {
  const auto has = [&](Severity severity) {
    return std::ranges::find(report.findings, severity, &PackageFinding::severity) != report.findings.end();
  };
  return has(Severity::error)         ? "bug"
         : !report.whyNothing.empty() ? kNotChecked
         : has(Severity::warning)     ? "warning"
         : has(Severity::info)        ? "miscompiled"
                                      : "clean";
}

/// "clean"; "not checked: why"
std::string resultLine(const Report &report) {
  return report.result + (report.result == kNotChecked ? ": " + report.whyNothing : "");
}

std::string section(const std::string &title, const std::vector<std::string> &lines) {
  std::string text = lines.empty() ? "" : title + "\n";
  for (const std::string &line : lines)
    text += "  " + line + "\n";
  return text;
}

std::vector<std::string> accessLines(const Json &report) {
  std::vector<std::string> lines;
  const auto list = [](const Json &ops) {
    std::string text;
    for (const Json &op : ops)
      text += (text.empty() ? " at op " : ", ") + op.dump();
    return text;
  };
  for (const Json &function : report.value("functions", Json::array()))
    for (const Json &state : function.value("states", Json::array())) {
      const std::string reads = list(state.value("reads", Json::array()));
      const std::string writes = list(state.value("writes", Json::array()));
      lines.push_back(textOf(function, "name") + ", state " + textOf(state, "name") + " " + textOf(state, "type") +
                      (reads.empty() ? ": never read" : ": read" + reads) +
                      (writes.empty() ? "; never written" : "; written" + writes));
    }
  return lines;
}

std::string textOf(const Report &report) {
  std::string text = section("programs", accessLines(report.program)) + section("passed to them", report.inventions) +
                     section("rows", report.rowLines) + section("not done", report.notes);
  for (const PackageFinding &each : report.findings)
    text += std::string(imported::name(each.severity)) + ": " + each.text + "\n";
  return text + "result: " + resultLine(report) + "\n";
}

std::string jsonOf(const Report &report) {
  const auto orNull = [](const std::string &text) { return text.empty() ? Json() : Json(text); };
  Json findings = Json::array();
  for (const PackageFinding &each : report.findings)
    findings.push_back({{"bug_class", each.bugClass},
                        {"severity", imported::name(each.severity)},
                        {"function", orNull(each.function)},
                        {"state", orNull(each.state)},
                        {"rows_written", orNull(each.rowsWritten)},
                        {"rows_expected", orNull(each.rowsExpected)},
                        {"op", orNull(each.operation)},
                        {"text", each.text}});
  const Json json = {
      {"result", report.result},         {"reason", orNull(report.result == kNotChecked ? report.whyNothing : "")},
      {"findings", std::move(findings)}, {"functions", report.program.value("functions", Json::array())},
      {"passed", report.inventions},     {"rows", report.rowLines},
      {"not_done", report.notes}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string escaped(const std::string &text) {
  std::string page;
  for (const char letter : text)
    page += letter == '<' ? "&lt;" : letter == '&' ? "&amp;" : std::string(1, letter);
  return page;
}

std::string pageSection(const std::string &title, const std::vector<std::string> &lines) {
  std::string page = lines.empty() ? "" : "<h2>" + title + "</h2>\n<ul>\n";
  for (const std::string &line : lines)
    page += "<li>" + escaped(line) + "\n";
  return page + (lines.empty() ? "" : "</ul>\n");
}

constexpr const char *kStyle = "<style>body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto}li{margin:.3em 0}"
                               ".error{color:#b00}.warning{color:#850}.info{color:#057}</style>\n";

/// Asks for nothing else.
std::string pageOf(const std::string &package, const Report &report) {
  const std::filesystem::path path(package.ends_with('/') ? package.substr(0, package.size() - 1) : package);
  const std::string title = escaped(path.filename().string());
  std::string page = "<!doctype html>\n<meta charset=utf-8>\n<title>" + title + "</title>\n" + kStyle + "<h1>" + title +
                     ": " + escaped(resultLine(report)) + "</h1>\n<ul>\n";
  for (const PackageFinding &each : report.findings)
    page += "<li class=" + std::string(imported::name(each.severity)) + "><b>class " + std::to_string(each.bugClass) +
            "</b> " + escaped(each.text) + "\n";
  return page + "</ul>\n" + pageSection("Rows", report.rowLines) +
         pageSection("Programs", accessLines(report.program)) + pageSection("Passed to them", report.inventions) +
         pageSection("Not done", report.notes);
}

} // namespace

bool isPackage(const std::string &path) {
  const std::string_view ending = ".mlpackage";
  return path.ends_with(ending) || path.ends_with(std::string(ending) + "/");
}

int auditPackage(const PackageAuditOptions &options) {
  Report report;
  report.program = reportOf(options.package);
  report.findings = findingsOf(report.program);
  runFunctions(options, report);
  if (report.result.empty())
    report.result = resultOf(report);
  if (!options.page.empty())
    writeFile(options.page, pageOf(options.package, report));
  printNow(options.printsJson ? jsonOf(report) : textOf(report));
  return report.result == "bug" ? kFailed : report.result == kNotChecked ? kUnchecked : kDone;
}

} // namespace kvasir::tools
