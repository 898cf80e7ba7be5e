// SPDX-License-Identifier: MIT
#include "runtime/audit/page.h"
#include "runtime/audit/report.h"

namespace kvasir::runtime::audit {

std::string reportHtml(const Report &report) {
  constexpr std::string_view kPlace = "{REPORT}";
  std::string json = reportJson(report);
  // "</script>" in a name must not end the element it is in.
  for (size_t found = json.find("</"); found != std::string::npos; found = json.find("</", found))
    json.replace(found, 2, "<\\/");
  std::string page(kPage);
  return page.replace(page.find(kPlace), kPlace.size(), json);
}

} // namespace kvasir::runtime::audit
