#pragma once
// The runs of a study's arms, each in a folder of its own, and what they start from.

#include <filesystem>
#include <string>

#include "data/dataset.h"
#include "train/run.h"
#include "train/study/recipe.h"
#include "train/study/results.h"
#include "train/study/study.h"

namespace vmoe {

class ArmRuns {
 public:
  /// All of them must outlive the runs.
  ArmRuns(const StudyOptions& options, const StudyListener& listener, const Dataset& dataset,
          const ArmRecipes& recipes, const ResultsFile& results);

  /// The run of a possible arm, made, continued, or finished already, after what it needs: the baseline's
  /// super-classes, the dense start. Throws BusyError while another process is at work on one of these,
  /// Interrupted after a checkpoint, and what runs throw.
  RunSummary train(const StudyArm& arm, int seed) const;

 private:
  TrainOptions run_options(const StudyArm& arm, int seed) const;
  RunSummary train_in(const std::filesystem::path& folder, TrainOptions options) const;
  std::string start_of(const StudyArm& arm, int seed) const;
  std::string division_of(const StudyArm& arm, int seed) const;
  SuperClasses find_super_classes() const;
  void write_shared(const std::filesystem::path& file, const std::string& content) const;

  const StudyOptions& options_;
  const StudyListener& listener_;
  const Dataset& dataset_;
  const ArmRecipes& recipes_;
  const ResultsFile& results_;
  std::filesystem::path folder_;
  int experts_;
};

}  // namespace vmoe
