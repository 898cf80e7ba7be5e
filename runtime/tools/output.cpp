// SPDX-License-Identifier: MIT
#include "runtime/tools/output.h"

#include "runtime/tools/failed.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace kvasir::tools {
namespace {

[[noreturn]] void failToWrite() { throw Failed(std::string("cannot write the output: ") + std::strerror(errno)); }

} // namespace

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
    failToWrite();
}

void printNow(std::string_view text) {
  print(text);
  if (std::fflush(stdout) != 0)
    failToWrite();
}

void writeFile(const std::string &path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  if (!file)
    throw Failed("cannot write '" + path + "': " + std::strerror(errno));
}

std::string bytesText(double bytes) {
  static constexpr const char *kUnits[] = {"bytes", "KB", "MB", "GB", "TB"};
  int unit = 0;
  for (; bytes >= 1000 && unit < 4; ++unit)
    bytes /= 1000;
  return fixedText(bytes, unit == 0 || bytes >= 100 ? 0 : 1) + " " + kUnits[unit];
}

std::string fixedText(double number, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, number);
  return text;
}

} // namespace kvasir::tools
