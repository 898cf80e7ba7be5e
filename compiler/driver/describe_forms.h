// SPDX-License-Identifier: MIT
// The two forms of a function, as the description has them.
#ifndef KVASIR_DRIVER_DESCRIBE_FORMS_H
#define KVASIR_DRIVER_DESCRIBE_FORMS_H

#include "compiler/dialects/kv/forms.h"
#include "plugins/forms.h"

#include "llvm/Support/Error.h"

namespace kvasir {

/// Where the cache's rows lie in the register that they come from, by its `from`; nothing if that is none of the
/// schema.
///
/// `from` has an entry for each dim of the register: digits of its index, the most significant first, with blanks
/// between them. A digit is `layer`, `head`, `row` or `element`, each once (layer and head may be missing where there
/// is one); or a number, for an index that is always this; or 1/2, for a digit of extent 2 that is always 1.
llvm::Expected<std::optional<RowsOrigin>> describeOrigin(kv::CacheOp cache);

/// From kv.raised and kv.binds; nothing if the function has no raised form.
llvm::Expected<std::optional<RaisedForm>> describeRaised(mlir::func::FuncOp function);

/// The most tokens of a raised form: as many as there is room for in each register that its caches come from.
uint64_t maxTokensOfRaised(mlir::func::FuncOp raised);

} // namespace kvasir

#endif
