// SPDX-License-Identifier: MIT
// Audits as hosts see them: of a model, and of the calls of an application.
#include "kvasir/audit.hpp"

#include <algorithm>
#include <doctest/doctest.h>

namespace {

kvasir::AuditOptions options(std::vector<int32_t> ids, std::string checks) {
  kvasir::AuditOptions options;
  options.ids = std::move(ids);
  options.checks = std::move(checks);
  return options;
}

template <typename Body> std::string messageOf(kv_status status, Body body) {
  try {
    body();
  } catch (const kvasir::Error &error) {
    CHECK(error.status() == status);
    return error.what();
  }
  return "";
}

} // namespace

TEST_CASE("a model is audited; what it does wrong is no error of the call") {
  const kvasir::Model model(KVASIR_TOY, {2});
  kvasir::Audit audit = kvasir::runAudit(model, options({1, 2, 3, 4}, "rows,decode"));
  // One function of the toy declares a row too few.
  const auto findings = audit.findings();
  REQUIRE(findings.size() == 1);
  CHECK(audit.verdict() == findings[0]);
  CHECK(audit.text().ends_with("\n" + findings[0] + "\n"));
  CHECK(audit.json().find("\"clean\":false") != std::string::npos);
  CHECK(audit.html().ends_with("</html>\n"));

  CHECK(messageOf(KV_BAD_INPUT, [&] { kvasir::runAudit(model, options({64}, "")); }) ==
        "token 64 is outside the vocabulary of 64");
  CHECK(messageOf(KV_BAD_INPUT, [&] {
          kvasir::runAudit(model, options({}, "colour"));
        }).starts_with("no check is called 'colour'"));
  kvasir::Cancel cancel;
  cancel.request();
  kvasir::AuditOptions cancelled;
  cancelled.cancel = &cancel;
  CHECK(messageOf(KV_CANCELLED, [&] { kvasir::runAudit(model, cancelled); }) != "");
}

TEST_CASE("another plugin of the same model has the same rows") {
  const kvasir::Model model(KVASIR_TOY, {1}), other(KVASIR_TOY, {2});
  kvasir::AuditOptions against = options({1, 2, 3, 4}, "decode");
  against.against = &other;
  CHECK(kvasir::runAudit(model, against)
            .text()
            .find("4 rows of each layer are those of the other plugin (by hand), within ") != std::string::npos);
}

TEST_CASE("an application's calls are watched, alone and in batches, through forks and truncations") {
  const kvasir::Model model(KVASIR_TOY, {2});
  kvasir::Audit audit = kvasir::watchCalls(model);
  kvasir::CallOptions watched;
  watched.audit = audit.get();
  kvasir::State first = model.makeState(), plain = model.makeState();
  model.predict(first, {1, 2, 3}, watched);
  kvasir::State second = first.fork();
  const std::vector<int32_t> ids[] = {{4, 5}, {6}};
  const auto logits = model.predict({{first, ids[0]}, {second, ids[1]}}, watched);
  CHECK(audit.findings().empty());
  CHECK(audit.verdict() == "each of 6 tokens reached its row in all 2 layers of k and v");

  // What is watched is what is computed.
  const auto expected = model.predict(plain, {1, 2, 3, 4, 5});
  CHECK(std::ranges::equal(logits[0], expected.last()));

  // A call that fails is no finding, as long as it leaves alone what was there.
  CHECK(messageOf(KV_FAILED, [&] { model.predict(first, {60}, watched); }) == "no more");
  CHECK(audit.findings().empty());
  CHECK(first.length() == 5);

  kvasir::Audit ran = kvasir::runAudit(model, options({1}, "rows"));
  watched.audit = ran.get();
  CHECK(messageOf(KV_BAD_INPUT, [&] { model.predict(first, {7}, watched); }) ==
        "the audit of the call was made by kvasir_audit_run and watches nothing");
}
