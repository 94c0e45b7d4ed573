#pragma once
// Whether a model is right.

#include "tensor/real.h"

namespace vmoe {

/// Classes that rank before `label` among logits [classes]: larger logit, or as large and of lower index; 0
/// means that the model is right. NaN ranks before a label and nothing before NaN, so that a model that has
/// diverged is never right.
int rank_of(const real* logits, int classes, int label);

}  // namespace vmoe
