#include "train/rank.h"

namespace vmoe {

int rank_of(const real* logits, int classes, int label) {
  int rank = 0;
  for (int i = 0; i < classes; ++i) {
    const bool behind = logits[i] < logits[label] || (logits[i] == logits[label] && i > label);
    rank += i != label && !behind;
  }
  return rank;
}

}  // namespace vmoe
