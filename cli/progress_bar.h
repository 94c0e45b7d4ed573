#pragma once
// What is seen of a training run: a bar on a terminal, a line an epoch elsewhere.

#include <chrono>
#include <iosfwd>
#include <string>
#include <vector>

#include "train/run.h"

namespace vmoe {

class ProgressBar {
 public:
  /// `columns` of the terminal that `err` is; 0: it is none, and no bar is drawn.
  ProgressBar(std::ostream& err, int columns) : err_(err), columns_(columns) {}
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Draws the bar anew, at most ten times a second; says the line of an epoch that has ended.
  void show(const Progress& progress);
  /// A line of its own, above the bar.
  void say(const std::string& line);
  /// The same for "warning: LINE"; off a terminal it waits for the first `show`, so that a log has one line
  /// before the first step.
  void warn(const std::string& line);

  /// The bar, one line: "epoch 2/10 [====      ] 45 %  loss 1.234  acc 56.7 %  1234 img/s  3 min 05 s left".
  static std::string bar(const Progress& progress);
  /// The line of an epoch that has ended.
  static std::string epoch_line(const Progress& progress);

 private:
  void erase();
  void say_warnings();

  std::ostream& err_;
  int columns_;
  std::vector<std::string> warnings_;  // not said yet
  size_t drawn_ = 0;                   // columns of the bar on the screen
  std::chrono::steady_clock::time_point drawn_at_{};
};

}  // namespace vmoe
