// SPDX-License-Identifier: MIT
// What the audit of a package finds by calling its functions: planted faults, and none in what is right.
#include "runtime/imported/package_audit.h"
#include "tests/unit/toy_package.h"

#include <algorithm>
#include <doctest/doctest.h>

using namespace kvasir;
using namespace kvasir::imported;
using kvasir::test::ToyBug;
using kvasir::test::ToyForm;
using kvasir::test::ToyPackage;

namespace {

/// "6 prefill k_cache", one a line, sorted.
std::string found(const ToyPackage::Options &options, const KnownFacts &known = {}) {
  const ToyPackage package(options);
  PackageAudit audit(package, known);
  audit.run();
  std::vector<std::string> lines;
  for (const PackageFinding &each : audit.findings)
    lines.push_back(std::to_string(each.bugClass) + " " + each.function + " " + each.state +
                    (each.rowsWritten.empty() ? "" : " " + each.rowsWritten) + "\n");
  std::ranges::sort(lines);
  std::string text;
  for (const std::string &line : lines)
    text += line;
  return text;
}

ToyPackage::Options with(ToyBug bug, const std::string &function = "prefill", ToyForm form = ToyForm::linear) {
  ToyPackage::Options options;
  options.form = form;
  options.bug = bug;
  options.wrongFunction = function;
  return options;
}

} // namespace

TEST_CASE("nothing is found in what is right, whatever its form") {
  for (const ToyForm form : {ToyForm::linear, ToyForm::ring, ToyForm::shift, ToyForm::counter, ToyForm::recurrent})
    CHECK_MESSAGE(found(with(ToyBug::none, "", form)) == "", int(form));
  ToyPackage::Options any;
  any.isAnyLength = true;
  CHECK(found(any) == "");
  ToyPackage::Options batch;
  batch.batch = 2;
  CHECK(found(batch) == "");
}

TEST_CASE("rows that are not written, or elsewhere") {
  CHECK(found(with(ToyBug::neverWritesValues)) == "1 prefill v_cache []\n");
  CHECK(found(with(ToyBug::lastOnly)) ==
        "5 prefill k_cache [pos + 3, pos + 4)\n5 prefill v_cache [pos + 3, pos + 4)\n");
  CHECK(found(with(ToyBug::oneMore)) == "17 prefill k_cache [pos, pos + 5)\n17 prefill v_cache [pos, pos + 5)\n");
  CHECK(found(with(ToyBug::nextRow, "decode")) ==
        "6 decode k_cache [pos + 1, pos + 2)\n6 decode v_cache [pos + 1, pos + 2)\n");
  CHECK(found(with(ToyBug::firstLayerTwice)) == "7 prefill k_cache\n7 prefill v_cache\n");
}

TEST_CASE("rows that hold something else") {
  CHECK(found(with(ToyBug::swapped, "decode")) == "7 decode k_cache\n7 decode v_cache\n");
  KnownFacts known;
  known.crossed = {"prefill"};
  CHECK(found(with(ToyBug::swapped, "prefill"), known) == "7 prefill k_cache\n7 prefill v_cache\n");
  CHECK(found(with(ToyBug::rawKeys)) == "11 prefill k_cache\n");
  CHECK(found(with(ToyBug::rawKeys, "decode")) == "11 decode k_cache\n");
  CHECK(found(with(ToyBug::scaled)) == "11 prefill k_cache\n");
  CHECK(found(with(ToyBug::laterPhase)) == "20 prefill k_cache\n");
}

TEST_CASE("tokens that see what they must not") {
  CHECK(found(with(ToyBug::ignoresMask)).starts_with("13 prefill k_cache\n13 prefill v_cache\n"));
  CHECK(found(with(ToyBug::showsUnwritten)).find("12 prefill") != std::string::npos);
}

TEST_CASE("each function is judged alone: what both do alike is found") {
  const std::string both = "12 decode k_cache\n12 decode v_cache\n12 prefill k_cache\n12 prefill v_cache\n";
  CHECK(found(with(ToyBug::firstRows, "all")) == both);
  CHECK(found(with(ToyBug::firstOfLayer, "all")) == both);
  CHECK(found(with(ToyBug::notTheFirst, "all")) == both);
  CHECK(found(with(ToyBug::notItself, "all")) == "12 decode k_cache\n");
  CHECK(found(with(ToyBug::seesAll, "all")).starts_with("12 decode \n13 prefill"));
  CHECK(found(with(ToyBug::seesItself, "all")) == "12 decode k_cache\n12 decode v_cache\n");
  CHECK(found(with(ToyBug::keysAsValues, "all")) == "12 decode v_cache\n");
  CHECK(found(with(ToyBug::readsFirst, "decode")) == "9 decode k_cache\n9 decode v_cache\n");
  ToyPackage::Options any = with(ToyBug::firstRows, "all");
  any.isAnyLength = true;
  CHECK(found(any) == "12 main k_cache\n12 main v_cache\n");
}

TEST_CASE("a window moves with the position, so it is none of these") {
  ToyPackage::Options options;
  for (const uint64_t window : {2, 3, 5, 8, 13, 15}) {
    options.window = window;
    CHECK_MESSAGE(found(options) == "", window);
  }
  options.context = 64;
  options.window = 40;
  CHECK(found(options) == "");
}

TEST_CASE("what goes wrong far from the first rows") {
  CHECK(found(with(ToyBug::clampedPhase)) == "20 prefill k_cache\n");
  CHECK(found(with(ToyBug::clampedPhase, "all")) == "20 decode k_cache\n20 prefill k_cache\n");
  ToyPackage::Options counter = with(ToyBug::codesCounter, "decode", ToyForm::counter);
  counter.context = 256;
  CHECK(found(counter) == "18 decode length\n");
  counter.bug = ToyBug::none;
  CHECK(found(counter) == "");
}

TEST_CASE("caches whose rows are used again") {
  CHECK(found(with(ToyBug::clamped, "decode", ToyForm::ring)) ==
        "19 decode k_cache [7, 8) for pos >= 8\n19 decode v_cache [7, 8) for pos >= 8\n");
  CHECK(found(with(ToyBug::shiftsByOne, "prefill", ToyForm::shift)).starts_with("19 prefill k_cache"));
}

TEST_CASE("registers") {
  CHECK(found(with(ToyBug::advancesByOne, "prefill", ToyForm::counter)) ==
        "6 decode k_cache [pos - 3, pos - 2)\n6 prefill v_cache [pos - 3, pos + 1)\n");
  CHECK(found(with(ToyBug::lastTokenOnly, "prefill", ToyForm::recurrent)) == "5 prefill last\n5 prefill sum\n");
}

TEST_CASE("sequences of a batch") {
  ToyPackage::Options options = with(ToyBug::otherSequence);
  options.batch = 2;
  CHECK(found(options) == "26 prefill k_cache\n26 prefill v_cache\n");
}

TEST_CASE("numbers") {
  CHECK(found(with(ToyBug::infinite)).find("21 prefill \n") != std::string::npos);
  ToyPackage::Options codes;
  codes.element = ElementType::i8;
  codes.scale = 30;
  CHECK(found(codes) == "");
  codes.scale = 200;
  CHECK(found(codes) == "21 decode \n21 prefill \n");
}

TEST_CASE("functions that are known to lose rows are watched, and compared with none") {
  KnownFacts known;
  known.findings = {{1, Severity::error, "prefill", "v_cache", "[]", "", "", "known"}};
  const ToyPackage package(with(ToyBug::neverWritesValues));
  PackageAudit audit(package, known);
  audit.run();
  CHECK(audit.findings.empty());
  CHECK(std::ranges::find(audit.rowLines, "prefill of 4 tokens at position 0, state v_cache: rows [0, 4) are not "
                                          "written, expected [0, 4)") != audit.rowLines.end());
}
