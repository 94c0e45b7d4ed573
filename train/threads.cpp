#include "train/threads.h"

#include <omp.h>

namespace vmoe {

int default_threads() {
  return omp_get_num_procs();
}

int threads_or_default(int asked) {
  return asked > 0 ? asked : default_threads();
}

std::string threads_warning(int threads, int lanes) {
  const std::string asked = "--threads " + std::to_string(threads) + ": ";
  if (lanes > 0 && threads > lanes)
    return asked + "only " + std::to_string(lanes) + " have work, as a batch has that many lanes (--lanes)";
  if (threads > default_threads())
    return asked + "more than the " + std::to_string(default_threads()) +
           " processors that the program may use; the results are the same, but later";
  return "";
}

}  // namespace vmoe
