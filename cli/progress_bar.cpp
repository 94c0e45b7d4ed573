#include "cli/progress_bar.h"

#include <algorithm>
#include <ostream>

#include "cli/output.h"
#include "cli/program.h"

namespace vmoe {

ProgressBar::~ProgressBar() {
  say_warnings();
  erase();
}

std::string ProgressBar::bar(const Progress& p) {
  constexpr int kCells = 10;
  const double share = p.steps > 0 ? static_cast<double>(p.step) / static_cast<double>(p.steps) : 0;
  const int full = std::clamp(static_cast<int>(share * kCells), 0, kCells);
  return "epoch " + std::to_string(p.epoch) + "/" + std::to_string(p.epochs) + " [" +
         std::string(static_cast<size_t>(full), '=') + std::string(static_cast<size_t>(kCells - full), ' ') +
         "] " + percent(share, 0) + "  loss " + fixed(p.loss, 3) + "  acc " + percent(p.accuracy, 1) + "  " +
         fixed(p.images_per_second, 0) + " img/s  " + duration(p.seconds_left) + " left";
}

std::string ProgressBar::epoch_line(const Progress& p) {
  std::string line = "epoch " + std::to_string(p.epoch) + "/" + std::to_string(p.epochs) + "  loss " +
                     fixed(p.loss, 4) + "  acc " + percent(p.accuracy);
  if (p.holdout_loss > 0) {
    line += "  hold-out acc " + percent(p.holdout_accuracy) + "  loss " + fixed(p.holdout_loss, 4);
    if (p.router_accuracy > 0) line += "  router " + percent(p.router_accuracy);
  }
  return line + "  " + fixed(p.images_per_second, 0) + " img/s  " + duration(p.seconds_left) + " left";
}

void ProgressBar::show(const Progress& progress) {
  say_warnings();
  if (progress.epoch_ended) return say(epoch_line(progress));
  const auto now = std::chrono::steady_clock::now();
  if (columns_ == 0 || now - drawn_at_ < std::chrono::milliseconds(100)) return;
  drawn_at_ = now;
  // A line that reached the last column would wrap, and could not be drawn over.
  std::string line = bar(progress).substr(0, static_cast<size_t>(columns_ - 1));
  const size_t length = line.size();
  if (length < drawn_) line += std::string(drawn_ - length, ' ');
  err_ << '\r' << line << std::flush;
  drawn_ = length;
}

void ProgressBar::say(const std::string& line) {
  erase();
  err_ << line << '\n' << std::flush;
}

void ProgressBar::warn(const std::string& line) {
  warnings_.push_back(line);
  if (columns_ > 0) say_warnings();
}

void ProgressBar::say_warnings() {
  if (!warnings_.empty()) erase();
  for (const std::string& line : warnings_) vmoe::warn(err_, line);
  warnings_.clear();
}

void ProgressBar::erase() {
  if (drawn_ > 0) err_ << '\r' << std::string(drawn_, ' ') << '\r' << std::flush;
  drawn_ = 0;
}

}  // namespace vmoe
