// SPDX-License-Identifier: MIT
#include "runtime/api/border.h"
#include "runtime/api/handles.h"

#include <ranges>

using namespace kvasir;
using namespace kvasir::runtime;

namespace {

std::vector<std::string> splitNames(const char *names) {
  std::vector<std::string> split;
  for (const auto part : std::views::split(std::string_view(names ? names : ""), ','))
    if (!part.empty())
      split.emplace_back(part.begin(), part.end());
  return split;
}

void requireSameModel(const Model &model, const Model &against) {
  const Digest &own = model.identity().fingerprint, &other = against.identity().fingerprint;
  if (own != other)
    throw Error(KV_BAD_INPUT, "the other plugin is of another model: its fingerprint is " + shortHex(other) + ", not " +
                                  shortHex(own));
}

audit::AuditOptions auditOptionsFrom(const kvasir_audit_options &given, const Model &model) {
  audit::AuditOptions options;
  requireGiven(given.num_ids ? given.ids : static_cast<const void *>(&given), "ids");
  options.ids.assign(given.ids, given.ids + given.num_ids);
  options.chunkTokens = given.chunk;
  options.checks = splitNames(given.checks);
  options.seed = given.seed ? given.seed : 1;
  options.cancel = given.cancel ? &given.cancel->flag : nullptr;
  if (given.against) {
    requireSameModel(model, *given.against->model);
    options.against = given.against->model.get();
  }
  return options;
}

/// The made text, or null if there is no memory for it.
template <typename Make> const char *textOrNull(std::string &text, Make make) {
  const kv_status status = atBorder(nullptr, 0, [&] { text = make(); });
  return status == KV_OK ? text.c_str() : nullptr;
}

} // namespace

const audit::Report &kvasir_audit::current() {
  if (live)
    report = live->report();
  return *report;
}

kv_status kvasir_audit_run(kvasir_model *model, const kvasir_audit_options *options, kvasir_audit **result,
                           char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(model, "model");
    requireGiven(result, "audit");
    auto made = std::make_unique<kvasir_audit>();
    made->model = model->model;
    made->report = audit::runAudit(*model->model, auditOptionsFrom(readOptions(options), *model->model));
    *result = made.release();
  });
}

kv_status kvasir_audit_make(kvasir_model *model, kvasir_audit **result, char *message, size_t message_bytes) {
  return atBorder(message, message_bytes, [&] {
    requireGiven(model, "model");
    requireGiven(result, "audit");
    auto made = std::make_unique<kvasir_audit>();
    made->model = model->model;
    made->live = std::make_unique<audit::LiveAudit>(*model->model);
    *result = made.release();
  });
}

void kvasir_audit_free(kvasir_audit *audit) { delete audit; }

uint64_t kvasir_audit_num_findings(kvasir_audit *audit) {
  if (audit->live && audit->live->isClean())
    return 0;
  uint64_t count = 0;
  atBorder(nullptr, 0, [&] { count = audit->current().findings.size(); });
  return count;
}

const char *kvasir_audit_finding(kvasir_audit *audit, uint64_t index) {
  return (audit->report ? *audit->report : audit->current()).findings[index].sentence.c_str();
}

const char *kvasir_audit_verdict(kvasir_audit *audit) {
  return textOrNull(audit->text, [&] { return audit->current().verdict; });
}

const char *kvasir_audit_text(kvasir_audit *audit) {
  return textOrNull(audit->text, [&] { return audit::reportText(audit->current()); });
}

const char *kvasir_audit_json(kvasir_audit *audit) {
  return textOrNull(audit->json, [&] { return audit::reportJson(audit->current()); });
}

const char *kvasir_audit_html(kvasir_audit *audit) {
  return textOrNull(audit->html, [&] { return audit::reportHtml(audit->current()); });
}
