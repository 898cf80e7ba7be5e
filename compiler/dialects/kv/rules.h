// SPDX-License-Identifier: MIT
#ifndef KVASIR_DIALECTS_KV_RULES_H
#define KVASIR_DIALECTS_KV_RULES_H

#include "mlir/Support/LLVM.h"

namespace kvasir::kv {

/// What verify-state refuses (rules.def).
enum class Rule {
#define KVASIR_RULE(enumerator, family, name, meaning, sentence, remedy) enumerator,
#include "compiler/dialects/kv/rules.def"
#undef KVASIR_RULE
};

struct RuleText {
  llvm::StringLiteral family, name, meaning, sentence, remedy;
};

/// Indexed by Rule.
llvm::ArrayRef<RuleText> ruleTexts();

inline const RuleText &textOf(Rule rule) { return ruleTexts()[size_t(rule)]; }

} // namespace kvasir::kv

#endif
