// SPDX-License-Identifier: MIT
// Children that write to disks with little room.
#ifndef KVASIR_TESTS_UNIT_SMALL_DISK_H
#define KVASIR_TESTS_UNIT_SMALL_DISK_H

#include <algorithm>
#include <cstdio>
#include <doctest/doctest.h>
#include <functional>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kvasir::test {

/// Runs `work` in a child process and returns the line that it returned.
inline std::string inChild(const std::function<std::string()> &work) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::fflush(nullptr); // else the child could write it once more
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::string text = work();
    const bool whole = write(ends[1], text.data(), text.size()) == ssize_t(text.size());
    _exit(whole ? 0 : 1);
  }
  close(ends[1]);
  std::string text(4096, '\0');
  const ssize_t size = read(ends[0], text.data(), text.size());
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  text.resize(size_t(std::max<ssize_t>(size, 0)));
  return text;
}

constexpr const char *kNoLeave = "no leave to mount a tmpfs: run the test as root, or allow user namespaces";

/// May mount from here on, without others seeing it.
inline bool enterOwnNamespace() { return unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0; }

/// Makes an empty disk of 1 MiB the current folder. It is attached to no path, so it needs no leave to change one: in a
/// chroot "/" may be no mount.
inline bool enterSmallDisk() {
  const int context = enterOwnNamespace() ? fsopen("tmpfs", 0) : -1;
  if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "size", "1m", 0) != 0 ||
      fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return false;
  const int disk = fsmount(context, 0, 0);
  return disk >= 0 && fchdir(disk) == 0;
}

} // namespace kvasir::test

#endif
