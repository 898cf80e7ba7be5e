// SPDX-License-Identifier: MIT
#include "compiler/driver/progress.h"

#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

using namespace kvasir;

namespace {
constexpr int kBarWidth = 24;
constexpr auto kRedrawAfter = std::chrono::milliseconds(50);

double millisecondsBetween(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}
} // namespace

Progress::Progress()
    : isShown(llvm::sys::Process::StandardErrIsDisplayed()), began(Clock::now()), stepBegan(began), drawn(began) {}

Progress::~Progress() { end(); }

void Progress::finishStep() {
  if (current.empty())
    return;
  done.push_back({current, millisecondsBetween(stepBegan, Clock::now())});
  current.clear();
}

void Progress::begin(llvm::StringRef step) {
  std::lock_guard lock(mutex);
  finishStep();
  current = step.str();
  stepBegan = Clock::now();
  draw(0);
}

void Progress::advance(double fraction) {
  std::lock_guard lock(mutex);
  if (isShown && Clock::now() - drawn >= kRedrawAfter)
    draw(fraction);
}

void Progress::draw(double fraction) {
  if (!isShown)
    return;
  drawn = Clock::now();
  std::string bar(kBarWidth, ' ');
  std::fill_n(bar.begin(), std::min<int>(kBarWidth, fraction * kBarWidth), '=');
  llvm::errs() << "\r\x1b[K[" << bar << "] " << current;
}

void Progress::end() {
  std::lock_guard lock(mutex);
  if (isShown && !current.empty())
    llvm::errs() << "\r\x1b[K";
  finishStep();
}

double Progress::totalMs() const { return millisecondsBetween(began, Clock::now()); }
