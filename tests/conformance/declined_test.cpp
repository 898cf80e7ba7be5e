// SPDX-License-Identifier: MIT
#include "tests/conformance/declined.h"

#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

using conformance::DeclinedList;
using Lines = std::vector<std::string>;

namespace {

/// A file, while it is read.
struct ListFile {
  explicit ListFile(const std::string &text) { std::ofstream(path) << text; }
  ~ListFile() { std::filesystem::remove(path); }
  std::string path = std::filesystem::temp_directory_path() / ("declined." + std::to_string(getpid()));
};

DeclinedList listOf(const std::string &text) { return DeclinedList(ListFile(text).path); }

} // namespace

TEST_CASE("what is declined has a line with its reason") {
  DeclinedList list = listOf("# a comment\nlinear.*.1x1   K is no multiple of *\n");
  CHECK(list.checkDeclined("linear.f16.1x1", "K is no multiple of 32") == "");
  CHECK(list.checkDeclined("linear.f16.2x2", "K is no multiple of 32") ==
        "is declined and not listed: K is no multiple of 32");
  CHECK(list.checkDeclined("linear.f16.1x1", "the bias is f16") == "is declined and not listed: the bias is f16");
  CHECK(list.mistakes().empty());
}

TEST_CASE("what is taken has none") {
  const DeclinedList list = listOf("linear.*  there is none\n");
  CHECK(list.checkTaken("linear.f16.1x1") == "is listed as declined (there is none), and taken");
  CHECK(list.checkTaken("linear_of_layer.f16.1x1") == "");
}

TEST_CASE("a line may be for anything else than what it says") {
  DeclinedList list = listOf("!(linear*|rope.*)  there is no kernel for *\n");
  CHECK(list.checkDeclined("rope_angles.1", "there is no kernel for lm.rope_angles") == "");
  CHECK(list.checkDeclined("rope.halves.1x2", "there is no kernel for lm.rope") ==
        "is declined and not listed: there is no kernel for lm.rope");
  CHECK(list.checkTaken("linear.f16.1x1") == "");
  CHECK(list.checkTaken("swiglu.1") == "is listed as declined (there is no kernel for *), and taken");
}

TEST_CASE("a line that no case needs is a mistake") {
  DeclinedList list = listOf("rope.*  there is none\nr*  there is none\n");
  CHECK(list.checkDeclined("rope.halves.1x2", "there is none") == "");
  CHECK(list.mistakes() == Lines{"has a line that no case needs: r* there is none"});
}

TEST_CASE("a kernel that an op has only in groups is in one") {
  DeclinedList list = listOf("");
  list.note("lm.rope", "has a kernel only as part of a group");
  CHECK(list.mistakes() == Lines{"has a reason that is not so: lm.rope has a kernel only as part of a group, and no "
                                 "program has it in one"});
  list.note("lm.rope", "");
  CHECK(list.mistakes().empty());
}

TEST_CASE("where there is no kernel for an op none takes it") {
  DeclinedList list = listOf("");
  list.note("lm.rope", "there is no kernel for lm.rope");
  list.note("lm.rope_angles", "");
  CHECK(list.mistakes().empty());
  list.note("lm.rope", "");
  CHECK(list.mistakes() ==
        Lines{"has a reason that is not so: there is no kernel for lm.rope, and one takes it elsewhere"});
  list = listOf("");
  list.note("lm.rope", "there is no kernel for lm.rope_angles");
  CHECK(list.mistakes() ==
        Lines{"has a reason that is not so: lm.rope is declined since there is no kernel for lm.rope_angles"});
}

TEST_CASE("a line without a reason is refused") {
  for (const char *text : {"rope.*\n", "rope.*   \n", "rope.*  *\n"})
    CHECK_THROWS_AS(listOf(text), std::runtime_error);
  CHECK_THROWS_AS(DeclinedList("/nowhere/declined.txt"), std::runtime_error);
}

TEST_CASE("without a list nothing is held against a backend") {
  DeclinedList list("");
  CHECK(list.checkDeclined("rope.halves.1x2", "for no reason") == "");
  list.note("lm.rope", "has a kernel only as part of a group");
  CHECK(list.mistakes().empty());
}
