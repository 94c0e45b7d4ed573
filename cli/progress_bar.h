#pragma once
// What is seen of a training run: a bar on a terminal, a line an epoch elsewhere.

#include <iosfwd>
#include <string>

#include "train/run.h"

namespace vmoe {

class ProgressBar {
 public:
  ProgressBar(std::ostream& err, bool terminal) : err_(err), terminal_(terminal) {}
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(const Progress& progress);
  /// A line of its own, above the bar.
  void say(const std::string& line);

  /// The bar, one line: "epoch 2/10 [=====     ] 45 % loss 1.234 acc 56.7 % 1234 img/s 3 min 05 s left".
  static std::string bar(const Progress& progress);
  /// The line of an epoch that has ended.
  static std::string epoch_line(const Progress& progress);

 private:
  void erase();

  std::ostream& err_;
  bool terminal_;
  size_t drawn_ = 0;  // columns of the bar on the screen
};

}  // namespace vmoe
