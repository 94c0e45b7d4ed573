#pragma once
// What decides the result of a study's arm, as text and as a hash, so that a finished arm is known again: on
// another machine, in another folder, with the data elsewhere.

#include <string>

#include "data/dataset.h"
#include "train/metrics.h"
#include "train/options.h"

namespace vmoe {

/// A hash (FNV-1a, 64 bits, 16 digits) of names, labels and the pixels of some images of both splits: the
/// same for the same data under another path. Throws InputError naming a broken image.
std::string data_fingerprint(const Dataset& dataset);

/// The flags of training that an arm's result depends on; not its model, seed, folder, threads.
Record training_recipe(const TrainOptions& options);

/// 16 hexadecimal digits of a record.
std::string hash_of(const Record& record);

/// UsageError naming the first figure by which `now` differs from what the file holds; writes the file if
/// there is none.
void require_same_recipe(const std::string& file, const Record& now);

}  // namespace vmoe
