// SPDX-License-Identifier: MIT
// Output that says when it can't be written.
#ifndef KVASIR_RUNTIME_TOOLS_OUTPUT_H
#define KVASIR_RUNTIME_TOOLS_OUTPUT_H

#include <string>
#include <string_view>

namespace kvasir::tools {

/// Writes to standard output. Throws Failed, with the system's reason, if that can't be done.
void print(std::string_view text);

/// As print, and shows it at once.
void printNow(std::string_view text);

/// Makes or overwrites a file. Throws Failed, with the path and the system's reason, if that can't be done.
void writeFile(const std::string &path, std::string_view bytes);

/// A count of bytes for people: "1.4 MB". Units of 1000.
std::string bytesText(double bytes);

/// A number with `digits` behind the point.
std::string fixedText(double number, int digits);

} // namespace kvasir::tools

#endif
