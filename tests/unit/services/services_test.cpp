// SPDX-License-Identifier: MIT
// Run-time services: found, refused by name, kept, given to plugins, and done without.
#include "plugins/loader.h"
#include "plugins/services.h"

#include "kvasir/kvasir.hpp"

#include <cstdlib>
#include <doctest/doctest.h>

using namespace kvasir;

namespace {

/// An environment in which the tests' services are found.
struct Environment {
  Environment() { setenv("KVASIR_SERVICE_PATH", "/nowhere::" KVASIR_TEST_SERVICES, 1); }
  ~Environment() {
    unsetenv("KVASIR_SERVICE_PATH");
    unsetenv("KVASIR_SERVICES");
  }
};

std::string whyNot(const std::string &name, uint64_t version, const std::string &needs) {
  const auto offered = offerService({name, version, needs, "f32", true});
  return offered ? "" : offered.message();
}

float twice(const ModelOptions &options = {}, const char *plugin = KVASIR_TWICE_PLUGIN) {
  Model model(plugin, options);
  State state = model.makeState();
  const std::vector<float> x = {21};
  return model.call("twice", state, {{"x", x}}).floats("y")[0];
}

} // namespace

TEST_CASE("a service is opened once, and refused with its reason") {
  Environment environment;
  CHECK(whyNot("twice", 1, "numbers") == "");
  CHECK(*offerService({"twice", 1, "numbers", "", true}) == *offerService({"twice", 1, "numbers", "", false}));
  CHECK(whyNot("twice", 1, "strings") == "it doubles numbers only");
  CHECK(whyNot("twice", 2, "numbers") == "it is version 1, the plugin was made for 2");
  CHECK(whyNot("twice-again", 2, "numbers") == "");
  CHECK(whyNot("refused", 1, "numbers") == "this machine can't add");
  CHECK(whyNot("absent", 1, "") == "libkvasir-service-absent.so is in no folder that is searched; name its folder in "
                                   "KVASIR_SERVICE_PATH");
  setenv("KVASIR_SERVICES", "none", 1);
  CHECK(whyNot("twice", 1, "numbers") == "the environment says KVASIR_SERVICES=none");
}

TEST_CASE("a library that is no such service is refused, whatever it breaks") {
  Environment environment;
  const auto path = [](const std::string &name) {
    return "'" KVASIR_TEST_SERVICES "/libkvasir-service-" + name + ".so'";
  };
  CHECK(whyNot("broken-named", 1, "") == path("broken-named") + " is the service 'another'");
  CHECK(whyNot("broken-abi", 1, "") == path("broken-abi") + " was made for another service ABI than 1");
  CHECK(whyNot("broken-short", 1, "") == path("broken-short") + " was made for another service ABI than 1");
  for (const char *name : {"broken-unnamed", "broken-no-table", "broken-no-check", "broken-no-about"})
    CHECK(whyNot(name, 1, "") == path(name) + " has no name, about, table or check");
  CHECK(whyNot("broken-silent", 1, "") == "it declines what the plugin needs");
  CHECK(whyNot("broken-unterminated", 1, "") == std::string(512, 'x'));
  CHECK(whyNot("broken-empty", 1, "") == path("broken-empty") + " does not export the function kvasir_service");
  CHECK(whyNot("broken-text", 1, "").find("the system's loader refuses it: ") == 0);
  CHECK(whyNot("broken-text", 1, "").find('\n') == std::string::npos);
}

TEST_CASE("a plugin uses the service, and computes by itself where it is not offered") {
  Environment environment;
  CHECK(twice() == 42);
  ModelOptions without;
  without.services = Services::none;
  CHECK(twice(without) == 43);
  setenv("KVASIR_SERVICES", "none", 1);
  CHECK(twice() == 43);
}

TEST_CASE("a plugin that asks for a service which is nowhere computes by itself") {
  CHECK(twice({}, KVASIR_NOWHERE_PLUGIN) == 43);
  const auto loaded = LoadedPlugin::load(KVASIR_NOWHERE_PLUGIN);
  REQUIRE(loaded);
  CHECK((*loaded)->description().numerics.id == "by-itself");
  CHECK((*loaded)->file().description().numerics.id == "by-service");
}

TEST_CASE("the numerics are those of what computes") {
  Environment environment;
  const auto with = LoadedPlugin::load(KVASIR_TWICE_PLUGIN);
  REQUIRE(with);
  CHECK((*with)->description().numerics.id == "by-service");
  CHECK_FALSE((*with)->description().numerics.invariant);
  LoadOptions none;
  none.services = ServiceUse::none;
  const auto without = LoadedPlugin::load(KVASIR_TWICE_PLUGIN, none);
  REQUIRE(without);
  CHECK((*without)->description().numerics.id == "by-itself");
  CHECK((*without)->description().numerics.invariant);
}

TEST_CASE("what a description says of services is read as it was written, and names are names") {
  const auto loaded = LoadedPlugin::load(KVASIR_TWICE_PLUGIN);
  REQUIRE(loaded);
  const Description &description = (*loaded)->file().description();
  REQUIRE(description.services.size() == 1);
  const std::string text = descriptionToJson(description);
  CHECK(*descriptionFromJson(text) == description);
  const auto changed = [&](const std::string &from, const std::string &to) {
    std::string other = text;
    other.replace(other.find(from), from.size(), to);
    const auto read = descriptionFromJson(other);
    return read ? "" : read.message();
  };
  const std::string name = "\"name\":\"twice\",\"version\"";
  CHECK(changed(name, "\"name\":\"../twice\",\"version\"") ==
        "description.services[0].name: is no name of a service: small letters, digits and -");
  CHECK(changed("\"version\":1", "\"version\":0") != "");
  CHECK(changed("\"needs\":\"numbers\"", "\"wants\":\"numbers\"") != "");
}
