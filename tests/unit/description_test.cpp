// SPDX-License-Identifier: MIT
#include "plugins/description.h"
#include "plugins/json_reader.h"

#include "kvasir/plugin.h"

#include <doctest/doctest.h>
#include <string>

using namespace kvasir;

namespace {

Layout cacheLayout() {
  Plane rows{PlaneRole::value,
             ElementType::bf16,
             0,
             {{Axis::lane, 64, 16}, {Axis::token, 128, 1024}, {Axis::head, 3, 131072}, {Axis::layer, 30, 393216}}};
  return {30 * 3 * 128 * 64 * 2, {rows}};
}

Description exampleDescription() {
  SlotDescription k{"k", SlotKind::cache, 30, 3, 64, 0, RowRotation::adjacent, "", {}, cacheLayout()};
  SlotDescription v{"v", SlotKind::cache, 30, 3, 64, 4096, RowRotation::none, "k", {}, cacheLayout()};
  SlotDescription conv{
      "conv",
      SlotKind::reg,
      8,
      1,
      1,
      0,
      RowRotation::none,
      "",
      {4, 64},
      {8192, {{PlaneRole::value, ElementType::f32, 0, {{Axis::lane, 256, 32}, {Axis::layer, 8, 8192}}}}}};
  FunctionDescription forward{"forward",
                              512,
                              {{"ids", ElementType::i32, {{'T', 0}}, TensorRole::ids}},
                              {{"logits", ElementType::f32, {{'W', 0}, {0, 49152}}, TensorRole::logits}}};
  return {{"SmolLM2 135M", "llama", 8192, 49152, {{"E", 576}, {"L", 30}}},
          "cpu",
          true,
          {"int8g32", true, Activations::int8},
          {{"avx512-vnni", {"avx512f", "avx512vnni"}}, {"avx2", {"avx2", "fma"}}},
          {k, v, conv},
          {forward},
          {{"forward", "v", "first layer is computed elsewhere"}}};
}

std::string replaced(std::string text, const std::string &from, const std::string &to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string refusal(const std::string &text) {
  Result<Description> description = descriptionFromJson(text);
  REQUIRE_FALSE(description);
  CHECK(description.message().find('\n') == std::string::npos);
  return description.message();
}

} // namespace

TEST_CASE("descriptions survive JSON") {
  const Description description = exampleDescription();
  const std::string text = descriptionToJson(description);
  Result<Description> again = descriptionFromJson(text);
  REQUIRE_MESSAGE(again, again.message());
  CHECK(*again == description);
  CHECK(descriptionToJson(*again) == text);
  CHECK(text.find('\n') == std::string::npos);
}

TEST_CASE("a function may take no tokens and have extents of its own") {
  Description description = exampleDescription();
  description.functions.push_back(
      {"grow",
       0,
       {{"x", ElementType::f16, {{'a', 0}, {0, 4}}}, {"m", ElementType::f16, {{'c', 0}}}},
       {{"y", ElementType::f16, {{'b', 0}, {'a', 0}}}},
       {{'a', 1, 64, {}, 0, {}}, {'b', 1, 1, {}, 8, {{'a', 1}, {'c', -2}}}, {'c', 2, 16, {2, 16}, 0, {}}}});
  const std::string text = descriptionToJson(description);
  Result<Description> again = descriptionFromJson(text);
  REQUIRE_MESSAGE(again, again.message());
  CHECK(*again == description);
  CHECK(text.find(R"("extents":[{"symbol":"a","from":1,"to":64},)"
                  R"({"symbol":"b","constant":8,"terms":{"a":1,"c":-2}},)"
                  R"({"symbol":"c","from":2,"to":16,"values":[2,16]}])") != std::string::npos);
  CHECK(refusal(replaced(text, "\"terms\":{\"a\":1,", "\"terms\":{\"d\":1,")) ==
        "description: function 'grow' has an extent 'b' made of 'd', which is no free one");
  CHECK(refusal(replaced(text, "\"symbol\":\"c\"", "\"symbol\":\"a\"")) ==
        "description: function 'grow' has an extent 'a' twice");
  CHECK(refusal(replaced(text, "\"shape\":[\"c\"]", "\"shape\":[\"b\"]")) ==
        "description: function 'grow' has an extent 'b' in input 'm' that is a sum");
  CHECK(refusal(replaced(text, "\"shape\":[\"c\"]", "\"shape\":[2]")) ==
        "description: function 'grow' has an extent 'c' that no input has");
  CHECK(refusal(replaced(text, "\"shape\":[\"c\"]", "\"shape\":[\"e\"]")) ==
        "description: function 'grow' has an extent 'e' in 'm' that it does not list");
  CHECK(refusal(replaced(text, "\"shape\":[\"c\"]", "\"shape\":[\"c\",\"T\"]")) ==
        "description: function 'grow' takes no tokens, and 'm' has an extent T");
  CHECK(refusal(replaced(text, "\"from\":2", "\"from\":0")).find(".extents[2].from: is 0, expected 1 to ") !=
        std::string::npos);
  CHECK(refusal(replaced(text, "\"values\":[2,16]", "\"values\":[2,17]")).find("is 17, expected 2 to 16") !=
        std::string::npos);
}

namespace {

/// A function over whole registers, and the same over rows.
Description twoForms() {
  Description description;
  SlotDescription state{"cache", SlotKind::reg, 1, 1, 1, 0, RowRotation::none, "", {30, 3, 200, 64}, {}};
  state.layout = {30 * 3 * 200 * 64 * 2,
                  {{PlaneRole::value, ElementType::bf16, 0, {{Axis::lane, 30 * 3 * 200 * 64, 16}}}}};
  SlotDescription rows{"rows", SlotKind::cache, 30, 3, 64, 0, RowRotation::none, "", {}, cacheLayout()};
  rows.from = RowsOrigin{"cache", 200, 0, 3 * 200 * 64, 200 * 64, 64, 1};
  description.slots = {state, rows};
  FunctionDescription opaque{
      "run",
      0,
      {{"x", ElementType::i32, {{0, 1}, {'a', 0}}}, {"m", ElementType::f16, {{'a', 0}, {'b', 0}}}},
      {{"y", ElementType::f16, {{'a', 0}}}},
      {{'a', 1, 64, {}, 0, {}}, {'b', 1, 64, {}, 0, {}}}};
  FunctionDescription raised{
      "run.raised",
      200,
      {{"x", ElementType::i32, {{0, 1}, {'T', 0}}}, {"m", ElementType::f16, {{'T', 0}, {'S', 0}}}},
      {{"y", ElementType::f16, {{'T', 0}}}}};
  opaque.raised = RaisedForm{"run.raised",
                             {{"x", BindField::count, 1, std::nullopt},
                              {"m", BindField::length, 1, std::nullopt},
                              {"m", BindField::causal, std::nullopt, -10000}}};
  description.functions = {opaque, raised};
  return description;
}

} // namespace

TEST_CASE("a function may have a raised form, whose rows lie in registers") {
  const Description description = twoForms();
  const std::string text = descriptionToJson(description);
  Result<Description> again = descriptionFromJson(text);
  REQUIRE_MESSAGE(again, again.message());
  CHECK(*again == description);
  CHECK(isRaisedForm(*again, again->functions[1]));
  CHECK(!isRaisedForm(*again, again->functions[0]));
  CHECK(text.find(R"("from":{"state":"cache","rows":200,"first":0,"layer":38400,"head":12800,"row":64,"lane":1})") !=
        std::string::npos);
  CHECK(text.find(R"("raised":{"function":"run.raised","binds":[{"input":"x","is":"count","dim":1},)"
                  R"({"input":"m","is":"length","dim":1},{"input":"m","is":"causal","hidden":-10000}]})") !=
        std::string::npos);
  Description other = description;
  other.slots[1].from->row = 1;
  CHECK(schemaHash(other.slots) != schemaHash(description.slots));
}

TEST_CASE("forms that do not fit together are refused") {
  const std::string text = descriptionToJson(twoForms());
  const char *refusals[][3] = {
      {"\"rows\":200", "\"rows\":201", "slot 'rows' has rows from 'cache', which has no element 1152063"},
      {"\"first\":0", "\"first\":1", "slot 'rows' has rows from 'cache', which has no element 1152000"},
      {"\"state\":\"cache\"", "\"state\":\"rows\"",
       "slot 'rows' has rows from 'rows', which is no register of one layer"},
      {"\"width\":64", "\"width\":64,\"window\":9",
       "slot 'rows' has rows from 'cache', which keeps what leaves the window"},
      {"\"element\":\"bf16\"", "\"element\":\"f16\"",
       "slot 'rows' has rows from 'cache', which has elements of f16, which bf16 can't hold"},
      {",\"from\":{\"state\":\"cache\",\"rows\":200,\"first\":0,\"layer\":38400,\"head\":12800,\"row\":64,\"lane\":1}",
       "", "slot 'rows' has rows that are in no register, and opaque functions need them"},
      {"\"raised\":{\"function\":\"run.raised\"", "\"raised\":{\"function\":\"x\"",
       "function 'run' has the raised form 'x', which is no function"},
      {"\"raised\":{\"function\":\"run.raised\"", "\"raised\":{\"function\":\"run\"",
       "function 'run' has the raised form 'run', which takes no tokens"},
      {"\"name\":\"y\"", "\"name\":\"z\"",
       "function 'run' has the raised form 'run.raised', which has other inputs or outputs"},
      {"\"input\":\"x\"", "\"input\":\"w\"", "function 'run' binds 'w', which is no input of it"},
      {"\"is\":\"count\",\"dim\":1", "\"is\":\"count\"", "function 'run' binds 'x', which names no dim"},
      {"\"is\":\"count\",\"dim\":1", "\"is\":\"count\",\"dim\":2",
       "function 'run' binds 'x', which names a dim that it has not"},
      {"\"is\":\"length\",\"dim\":1", "\"is\":\"start\"", "function 'run' binds 'm', which is of integers"},
      {",\"hidden\":-10000", "", "function 'run' binds 'm', which is a mask of truth values"},
      {"{\"input\":\"x\",\"is\":\"count\",\"dim\":1},", "",
       "function 'run' has a raised form whose binds do not say where a call starts and how many tokens it brings"},
  };
  for (const auto &[from, to, expected] : refusals)
    CHECK(refusal(replaced(text, from, to)) == std::string("description: ") + expected);
  CHECK(refusal(replaced(text, "\"hidden\":-10000", "\"hidden\":1")).find("hidden: is 1, expected ") !=
        std::string::npos);
}

TEST_CASE("a plugin may have no slots and no functions") {
  Description vocabularyOnly;
  vocabularyOnly.model.name = "vocabulary";
  Result<Description> again = descriptionFromJson(descriptionToJson(vocabularyOnly));
  REQUIRE_MESSAGE(again, again.message());
  CHECK(*again == vocabularyOnly);
}

TEST_CASE("an object of very many members is not parsed") {
  std::string text = "{\"a\":[0,1]";
  for (unsigned i = 1; i < kMaxJsonMembers; ++i)
    text += ",\"" + std::to_string(i) + "\":0";
  CHECK(parseJson(text + "}"));
  CHECK(parseJson(text + ",\"b\":0}").message() == "a JSON object has more than 256 members");
}

TEST_CASE("bytes that are not UTF-8 do not throw") {
  Description description = exampleDescription();
  description.model.name = "bad \xff name";
  Result<Description> again = descriptionFromJson(descriptionToJson(description));
  REQUIRE(again);
  CHECK(again->model.name == "bad \xef\xbf\xbd name");
}

TEST_CASE("bad descriptions are refused in one line that says where") {
  const std::string text = descriptionToJson(exampleDescription());
  CHECK(refusal(text.substr(0, text.size() / 2)) == "description is no JSON text");
  CHECK(refusal(replaced(text, "\"format\":1", "\"format\":2")) ==
        "description: has format 2, this host reads format 1");
  CHECK(refusal(replaced(text, "\"backend\"", "\"back\"")) == "description: has an unknown member 'back'");
  CHECK(refusal(replaced(text, "\"backend\"", "\"back\\n\\u001b[2J\"")) ==
        "description: has an unknown member 'back\\x0a\\x1b[2J'");
  CHECK(refusal(replaced(text, "\"heads\":3,", "")) == "description.slots[0]: has no member 'heads'");
  CHECK(refusal(replaced(text, "\"heads\":3,", "\"heads\":0,")) ==
        "description.slots[0].heads: is 0, expected 1 to 16777216");
  CHECK(refusal(replaced(text, "\"heads\":3", "\"heads\":4")) ==
        "description.slots[0].layout: its plane of values has 3 heads, the slot needs 4");
  CHECK(refusal(replaced(text, "\"T\"", "\"Q\"")) ==
        "description.functions[0].inputs[0].shape[0]: is the symbol 'Q', expected B, T, W, S or a to z");
  CHECK(refusal(replaced(text, "\"role\":\"ids\"", "\"role\":\"id\""))
            .find("functions[0].inputs[0].role: is 'id', expected one of other, ids") != std::string::npos);
  CHECK(refusal(replaced(text, "\"name\":\"v\"", "\"name\":\"k\"")) == "description: has two slots of the name 'k'");
  CHECK(refusal(replaced(text, "\"values\":\"k\"", "\"values\":\"x\"")) ==
        "description: slot 'v' holds the values of 'x', which is no cache");
  CHECK(refusal(replaced(text, "computed", "\\u001b[31m")) == "description.waivers[0].reason: has a control character");
}

TEST_CASE("the schema's hash is over meaning, not storage") {
  Description description = exampleDescription();
  const Digest hash = schemaHash(description.slots);
  description.slots[0].layout.planes[0].element = ElementType::f16;
  CHECK(schemaHash(description.slots) == hash);
  description.slots[0].heads = 2;
  CHECK(schemaHash(description.slots) != hash);
}

TEST_CASE("SHA-256 agrees with FIPS 180-4") {
  const std::string abc = "abc";
  CHECK(toHex(sha256({reinterpret_cast<const uint8_t *>(abc.data()), abc.size()})) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
