// SPDX-License-Identifier: MIT
// Which models a command line names.
#ifndef KVASIR_TESTS_LOADING_PATHS_H
#define KVASIR_TESTS_LOADING_PATHS_H

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

/// The models that are named from argument `first` on; behind --if-there, those that are there.
inline std::vector<std::string> pathsOf(int first, int argc, char **argv) {
  std::vector<std::string> paths;
  bool isOptional = false;
  for (int i = first; i < argc; ++i)
    if (std::strcmp(argv[i], "--if-there") == 0)
      isOptional = true;
    else if (isOptional && !std::filesystem::exists(argv[i]))
      std::printf("%s: not there\n", argv[i]);
    else
      paths.emplace_back(argv[i]);
  return paths;
}

#endif
