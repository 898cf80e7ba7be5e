// SPDX-License-Identifier: MIT
// Does each token reach its row of every layer of every slot? Audits, over kvasir.h as kvasir.hpp is.
//
//     kvasir::Audit audit = kvasir::watchCalls(model);                 // or runAudit(model): conversations of its own
//     model.predict(state, ids, {.audit = audit.get()});
//     for (const std::string &sentence : audit.findings()) …
#ifndef KVASIR_AUDIT_HPP
#define KVASIR_AUDIT_HPP

#include "kvasir/kvasir.hpp"

namespace kvasir {
inline namespace v1 {

/// What is left out is made up, or all.
struct AuditOptions {
  std::vector<int32_t> ids = {}; ///< the prompt
  uint64_t chunk = 0;            ///< tokens of a call of the prompt; 0: all at once
  std::string checks = {};       ///< "rows,decode"
  uint64_t seed = 1;             ///< of the random cuts
  const Cancel *cancel = nullptr;
  const Model *against = nullptr; ///< another plugin of the same model, whose rows are compared
};

/// What was found. Texts are made when they are asked for.
class Audit {
public:
  explicit Audit(kvasir_audit *audit) : handle(audit) {}

  /// One sentence each, errors first.
  std::vector<std::string> findings() {
    std::vector<std::string> sentences(kvasir_audit_num_findings(handle.get()));
    for (size_t i = 0; i < sentences.size(); ++i)
      sentences[i] = kvasir_audit_finding(handle.get(), i);
    return sentences;
  }

  std::string verdict() { return made(kvasir_audit_verdict(handle.get())); }
  std::string text() { return made(kvasir_audit_text(handle.get())); }
  std::string json() { return made(kvasir_audit_json(handle.get())); }
  std::string html() { return made(kvasir_audit_html(handle.get())); }

  /// For the options of calls.
  kvasir_audit *get() const { return handle.get(); }

private:
  static std::string made(const char *text) { return text ? text : throw std::bad_alloc(); }

  std::unique_ptr<kvasir_audit, detail::Free<&kvasir_audit_free>> handle;
};

/// Runs the checks on conversations of its own.
inline Audit runAudit(const Model &model, const AuditOptions &options = {}) {
  const kvasir_audit_options given{sizeof given,
                                   0,
                                   options.ids.data(),
                                   options.ids.size(),
                                   options.chunk,
                                   options.checks.empty() ? nullptr : options.checks.c_str(),
                                   options.seed,
                                   options.cancel ? options.cancel->get() : nullptr,
                                   options.against ? options.against->get() : nullptr};
  kvasir_audit *audit;
  detail::check(kvasir_audit_run, model.get(), &given, &audit);
  return Audit(audit);
}

/// Watches the calls whose options name it.
inline Audit watchCalls(const Model &model) {
  kvasir_audit *audit;
  detail::check(kvasir_audit_make, model.get(), &audit);
  return Audit(audit);
}

} // namespace v1
} // namespace kvasir

#endif
