// SPDX-License-Identifier: MIT
#include "compiler/mutate/recording.h"

#include "compiler/mutate/player.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>

using namespace kvasir;

namespace {
constexpr rlim_t kMostSeconds = 60;
constexpr const char *kOk = "ok";

void put(std::string &stream, const std::string &text) {
  const uint64_t size = text.size();
  stream.append(reinterpret_cast<const char *>(&size), sizeof size);
  stream += text;
}

bool writeAll(int file, const std::string &bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t count = write(file, bytes.data() + done, bytes.size() - done);
    if (count <= 0)
      return false;
    done += count;
  }
  return true;
}

std::string readAll(int file) {
  std::string bytes;
  char piece[1 << 16];
  for (ssize_t count; (count = read(file, piece, sizeof piece)) > 0;)
    bytes.append(piece, count);
  return bytes;
}

/// Reads back what `put` wrote; a stream may end anywhere.
class Reader {
public:
  explicit Reader(const std::string &stream) : stream(stream) {}
  bool isAtEnd() const { return at == stream.size(); }

  std::string next() {
    uint64_t size = 0;
    if (stream.size() - at < sizeof size)
      return at = stream.size(), "";
    std::memcpy(&size, stream.data() + at, sizeof size);
    at += sizeof size;
    std::string text = stream.substr(at, size);
    at += text.size();
    return text;
  }

private:
  const std::string &stream;
  size_t at = 0;
};

/// In the child: a step at a time, so that the parent knows which one ended it.
void play(int file, const std::string &path, const Description &description, const std::vector<Step> &script,
          uint64_t seed) {
  Player player(description, seed);
  std::string stream;
  put(stream, player.open(path));
  if (stream.size() > sizeof(uint64_t) || !writeAll(file, stream))
    return (void)writeAll(file, stream);
  for (const Step &step : script) {
    stream.clear();
    const std::vector<Observation> seen = player.play(step);
    put(stream, std::to_string(seen.size()));
    for (const Observation &observation : seen) {
      put(stream, observation.what);
      put(stream, observation.bytes);
      put(stream, std::to_string(observation.rowBytes));
    }
    if (!writeAll(file, stream))
      return;
  }
}

Recording recordingFrom(const std::string &stream) {
  Recording recording;
  Reader reader(stream);
  recording.failure = reader.next();
  while (!reader.isAtEnd()) {
    std::vector<Observation> &seen = recording.steps.emplace_back();
    const size_t count = std::strtoull(reader.next().c_str(), nullptr, 10);
    for (size_t i = 0; i < count; ++i) {
      Observation &observation = seen.emplace_back();
      observation.what = reader.next();
      observation.bytes = reader.next();
      observation.rowBytes = std::strtoull(reader.next().c_str(), nullptr, 10);
    }
  }
  return recording;
}

std::string endOf(int status) {
  if (!WIFSIGNALED(status))
    return "";
  const int signal = WTERMSIG(status);
  return signal == SIGXCPU ? "does not end within " + std::to_string(kMostSeconds) + " seconds"
                           : std::string("ends with signal ") + strsignal(signal);
}

/// Where two observations of one thing differ.
std::string placeOf(const Observation &mine, const Observation &theirs) {
  if (mine.bytes.size() != theirs.bytes.size())
    return mine.what;
  size_t at = 0;
  while (mine.bytes[at] == theirs.bytes[at])
    ++at;
  return mine.what + (mine.rowBytes ? ", row " + std::to_string(at / mine.rowBytes) : "");
}

/// Whether the states are as they were after the step before; null: empty.
bool isStateOf(const std::vector<Observation> &after, const std::vector<Observation> *before) {
  std::map<std::string, std::string> known;
  if (before)
    for (const Observation &observation : *before)
      known[observation.what] = observation.bytes;
  return std::all_of(after.begin() + 1, after.end(), [&](const Observation &observation) {
    const bool isZero = observation.bytes.find_first_not_of('\0') == std::string::npos;
    return before ? known[observation.what] == observation.bytes : isZero;
  });
}
} // namespace

Recording kvasir::record(const std::string &path, const Description &description, const std::vector<Step> &script,
                         uint64_t seed) {
  int ends[2];
  if (pipe(ends) != 0)
    return {{}, std::string("no pipe: ") + std::strerror(errno)};
  const pid_t child = fork();
  if (child < 0) {
    close(ends[0]), close(ends[1]);
    return {{}, std::string("no process: ") + std::strerror(errno)};
  }
  if (child == 0) {
    close(ends[0]);
    const rlimit limit = {kMostSeconds, kMostSeconds}, none = {0, 0};
    setrlimit(RLIMIT_CPU, &limit);
    setrlimit(RLIMIT_CORE, &none);
    (void)!freopen("/dev/null", "w", stderr); // a broken heap is a result, not a message
    play(ends[1], path, description, script, seed);
    _exit(0);
  }
  close(ends[1]);
  Recording recording = recordingFrom(readAll(ends[0]));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (recording.failure.empty())
    recording.failure = endOf(status);
  return recording;
}

Difference kvasir::differenceBetween(const Recording &mutant, const Recording &program, const Description &description,
                                     const std::vector<Step> &script) {
  for (size_t i = 0; i < script.size(); ++i) {
    const std::string where = "step " + std::to_string(i + 1) + ", " + script[i].text(description) + ": ";
    if (i >= mutant.steps.size() || i >= program.steps.size())
      return {where + mutant.failure};
    const std::vector<Observation> &mine = mutant.steps[i], &theirs = program.steps[i];
    if (mine[0].bytes != theirs[0].bytes)
      return {where + "the status is " + mine[0].bytes + ", was " + theirs[0].bytes,
              mine[0].bytes != kOk && isStateOf(mine, i ? &mutant.steps[i - 1] : nullptr)};
    for (size_t j = 1; j < std::min(mine.size(), theirs.size()); ++j)
      if (mine[j].bytes != theirs[j].bytes)
        return {where + placeOf(mine[j], theirs[j])};
  }
  return {mutant.failure};
}

std::string kvasir::unseenFunction(const Recording &program, const Description &description,
                                   const std::vector<Step> &script) {
  for (size_t function = 0; function < description.functions.size(); ++function) {
    std::vector<std::string> ends;
    for (size_t i = 0; i < std::min(script.size(), program.steps.size()); ++i)
      if (const Step &step = script[i];
          step.kind == Step::Kind::call && step.lie == Lie::none && step.function == function)
        ends.push_back(program.steps[i][0].bytes);
    if (std::ranges::count(ends, kOk) == 0)
      return "@" + description.functions[function].name +
             (ends.empty() ? ", which no step calls" : ", whose first call ended with " + ends.front());
  }
  return "";
}
