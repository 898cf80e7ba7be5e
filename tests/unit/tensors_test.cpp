// SPDX-License-Identifier: MIT
#include "plugins/tensors.h"

#include <doctest/doctest.h>

using namespace kvasir;

TEST_CASE("a pattern names all layers, or those that it lists") {
  CHECK(memberName("blk.{}.attn_q.weight", 12) == "blk.12.attn_q.weight");
  CHECK(memberName("blk.{0,2,13}.ffn_down.weight", 0) == "blk.0.ffn_down.weight");
  CHECK(memberName("blk.{0,2,13}.ffn_down.weight", 2) == "blk.13.ffn_down.weight");
  CHECK(memberName("blk.{7}.ffn_down.weight", 0) == "blk.7.ffn_down.weight");
  CHECK(memberName("output.weight", 3) == "output.weight");
  CHECK(patternOfMembers("blk.{}.w", {2, 5}) == "blk.{2,5}.w");
  CHECK(withoutNumbers("blk.{2,5}.w", "*") == "blk.*.w");
  CHECK(withoutNumbers("blk.{}.w", "{layer}") == "blk.{layer}.w");
  CHECK(numListed("{2,5}") == 2);
  CHECK_FALSE(numListed("blk.{}.w"));
  CHECK_FALSE(numListed("w"));
}

TEST_CASE("a pattern that is none is a name") {
  for (const char *name : {"", "{", "}", "a{", "a{1", "a{1,", "{x}", "{1;2}", "}{"})
    CHECK(memberName(name, 1) == name);
  CHECK(memberName("{,,}", 1) == "");       // no tensor of that name
  CHECK(memberName("{1,2}", 2) == "{1,2}"); // no such member
}

TEST_CASE("a table's tensors have as many names as layers") {
  std::vector<WeightTensor> tensors{{"blk.{1,4}.w", "bytes", 2, 0, 64, 64, {}}};
  Result<std::vector<WeightTensor>> read = tensorsFromJson(tensorsToJson(tensors), 128);
  REQUIRE_MESSAGE(read, read.message());
  CHECK(*read == tensors);
  CHECK(tensorsInRange(tensors, 64, 65) == std::vector<std::string>{"blk.4.w"});
  CHECK(tensorsInRange(tensors, 0, 128, 1) == std::vector<std::string>{"blk.1.w"});
  tensors[0].strideBytes = 63;
  read = tensorsFromJson(tensorsToJson(tensors), 128);
  CHECK(read.message().find("'blk.{1,4}.w' has layers that lie in one another") != std::string::npos);
  tensors[0].strideBytes = 64;
  tensors[0].layers = 1;
  read = tensorsFromJson(tensorsToJson(tensors), 128);
  REQUIRE_FALSE(read);
  CHECK(read.message().find("'blk.{1,4}.w' lists 2 tensors, it has 1") != std::string::npos);
}
