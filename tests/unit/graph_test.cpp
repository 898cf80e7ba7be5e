// SPDX-License-Identifier: MIT
// The section in which a plugin says what its ops are, as a host reads it: loops unrolled, hostile bytes refused.
#include "runtime/diff/graph.h"

#include <doctest/doctest.h>

using namespace kvasir;
using namespace kvasir::runtime::diff;

namespace {

Result<std::vector<FunctionGraph>> read(const std::string &body, const std::string &outputs = "[]") {
  const std::string text = R"({"format": 1, "functions": [{"name": "forward", "inputs": [0], "body": [)" + body +
                           R"(], "outputs": )" + outputs + "}]}";
  return readGraphs({reinterpret_cast<const uint8_t *>(text.data()), text.size()});
}

std::string failureOf(const std::string &body, const std::string &outputs = "[]") {
  const auto graphs = read(body, outputs);
  return graphs ? "" : graphs.message();
}

} // namespace

TEST_CASE("layers of a loop are steps of their own, and hand on what they carry") {
  const auto graphs = read(R"(
      {"op": "lm.embedding", "at": "embed", "in": [0], "out": [1], "probe": "probe.embed"},
      {"loop": [2, 4], "layer": 2, "in": [1], "arguments": [3], "body": [
        {"op": "lm.linear", "at": "blk.{layer}.up", "in": [3], "out": [4], "probe": "probe.blk.up", "layer": [2, 0]},
        {"op": "kv.append", "at": "blk.{layer}.append", "in": [4], "out": [], "appends": {"slot": "k", "layer": [2, 1]}},
        {"op": "kv.attend", "at": "attend", "in": [4], "out": [5], "keys": {"slot": "k", "layer": [2, 1]},
         "values": {"slot": "v", "layer": 0}, "scale": 0.5, "window": 40}
      ], "yield": [5], "out": [6]})",
                           "[6]");
  REQUIRE(graphs);
  const FunctionGraph &forward = graphs->at(0);
  CHECK(forward.name == "forward");
  REQUIRE(forward.steps.size() == 7);
  const Step &up = forward.steps[4], &append = forward.steps[5], &attend = forward.steps[6];
  CHECK(up.at == "blk.3.up");
  CHECK(up.place == "blk.{layer}.up");
  CHECK(up.layer == 3);
  CHECK(up.inputs == forward.steps[3].outputs); // of the layer before
  CHECK(append.appends == SlotLayer{"k", 4});
  CHECK(append.at == "blk.3.append"); // of the model's layers, not of the slot's
  CHECK(attend.keys == SlotLayer{"k", 4});
  CHECK(attend.values == SlotLayer{"v", 0});
  CHECK(attend.scale == 0.5);
  CHECK(attend.windowTokens == 40);
  CHECK(attend.outputs == forward.outputs);
  CHECK(forward.steps[1].inputs == forward.steps[0].outputs);
  CHECK(forward.numTensors == 6); // the input, the embedding, and two of each layer
}

TEST_CASE("layers that take turns are numbered by the turn") {
  const auto graphs = read(R"(
      {"loop": [0, 2], "layer": 1, "in": [], "arguments": [], "body": [
        {"op": "lm.linear", "at": "blk.{layer}.up", "in": [0], "out": [2], "layer": [1, 1, 3]},
        {"op": "lm.rope", "at": "blk.{layer}.rope_q", "in": [2], "out": [3]},
        {"op": "kv.append", "at": "blk.{layer}.append", "in": [3], "out": [], "appends": {"slot": "k", "layer": [1, 0]}},
        {"op": "lm.linear", "at": "blk.{layer}.up", "in": [0], "out": [4], "layer": [1, 2, 3]}
      ], "yield": [], "out": []},
      {"op": "lm.linear", "at": "blk.{layer}.up", "in": [0], "out": [5], "layer": 6},
      {"op": "lm.rope", "at": "blk.{layer}.rope_q", "in": [5], "out": [6]},
      {"op": "lm.take", "at": "wanted", "in": [6], "out": [7]})",
                           "[7]");
  REQUIRE_MESSAGE(graphs, graphs.message());
  std::vector<std::string> names;
  for (const Step &step : graphs->at(0).steps)
    names.push_back(step.at);
  CHECK(names == std::vector<std::string>{"blk.1.up", "blk.1.rope_q", "blk.1.append", "blk.2.up", "blk.4.up",
                                          "blk.4.rope_q", "blk.4.append", "blk.5.up", "blk.6.up", "blk.6.rope_q",
                                          "wanted"});
  CHECK(graphs->at(0).steps[6].appends == SlotLayer{"k", 1});
  CHECK(failureOf(R"({"op": "x", "at": "y", "in": [], "out": [], "layer": [7]})") ==
        "graph.functions[0].body[0].layer: is no layer");
}

TEST_CASE("what is no graph is refused where it is wrong") {
  CHECK(failureOf(R"({"op": "x", "at": "y", "in": [1], "out": []})") ==
        "graph.functions[0].body[0].in[0]: is a tensor that nothing has made");
  CHECK(failureOf(R"({"op": "x", "at": "y", "in": [], "out": [], "layer": [7, 0]})") ==
        "graph.functions[0].body[0].layer: is a layer of no loop");
  CHECK(failureOf(R"({"loop": [0, 2], "layer": 1, "in": [0], "arguments": [], "body": [], "yield": [], "out": []})") ==
        "graph.functions[0].body[0].arguments: does not go with what is carried");
  CHECK(failureOf("", "[3]") == "graph.functions[0].outputs[0]: is a tensor that nothing has made");
  CHECK(failureOf(R"({"op": 3})") != "");
  CHECK(failureOf("]") != "");
}

TEST_CASE("loops in loops end") {
  std::string body;
  for (int depth = 0; depth < 8; ++depth)
    body = R"({"loop": [0, 60000], "layer": 1, "in": [], "arguments": [], "body": [)" + body +
           R"(], "yield": [], "out": []})";
  CHECK(failureOf(body).find("is one layer too many") != std::string::npos);
  std::string many = "0";
  for (int i = 1; i < 60000; ++i)
    many += ",0";
  CHECK(failureOf(
            R"({"loop": [0, 60000], "layer": 1, "in": [], "arguments": [], "body": [{"op": "x", "at": "", "in": [)" +
            many + R"(], "out": []}], "yield": [], "out": []})")
            .find("is a list too many") != std::string::npos);
}
