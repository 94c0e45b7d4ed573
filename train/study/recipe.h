#pragma once
// What decides the result of a study's arm, as text and as a hash, so that a finished arm is known again: on
// another machine, in another folder, with the data elsewhere.

#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/metrics.h"
#include "train/options.h"
#include "train/study/arms.h"
#include "train/study/study.h"

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

/// The recipes of a study's arms.
class ArmRecipes {
 public:
  /// Throws UsageError "--arms NAME: ..." for an arm that was asked for and cannot be.
  ArmRecipes(const StudyOptions& options, const Dataset& dataset);

  /// The arms to run.
  const std::vector<StudyArm>& chosen() const { return chosen_; }
  /// Of all arms, where none was asked for by name, those that cannot be: "arm NAME is left out: ...".
  const std::vector<std::string>& left_out() const { return left_out_; }
  /// All arms that data and flags allow, in the order of mobile_arms(): those whose results can be there.
  const std::vector<StudyArm>& possible() const { return possible_; }
  ModelFlags flags(const StudyArm& arm) const { return arm_flags(arm, options_.train.model, info_); }
  /// Of a possible arm: of all that decides its result but the seed.
  const std::string& hash(const StudyArm& arm) const { return hashes_.at(arm.name); }
  /// What all arms of a folder share.
  Record shared() const;

 private:
  Record recipe(const StudyArm& arm) const;
  Record model(const StudyArm& arm) const { return to_json(model_from_flags(flags(arm), info_)); }

  const StudyOptions& options_;
  const DatasetInfo& info_;
  std::string data_;  // fingerprint
  std::vector<StudyArm> chosen_, possible_;
  std::vector<std::string> left_out_;
  std::map<std::string, std::string> hashes_;  // by the arm's name
};

}  // namespace vmoe
