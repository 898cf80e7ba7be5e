// SPDX-License-Identifier: MIT
// The report's page: page.html as it is in the source tree.
#ifndef KVASIR_RUNTIME_AUDIT_PAGE_H
#define KVASIR_RUNTIME_AUDIT_PAGE_H

#include <string_view>

namespace kvasir::runtime::audit {

/// With {REPORT} where the report's JSON goes.
extern const std::string_view kPage;

} // namespace kvasir::runtime::audit

#endif
