#pragma once
// The study of Mobile V-MoE: its arms trained on the same data by the same recipe with the same budget, and
// compared.

#include <functional>
#include <string>
#include <vector>

#include "train/run.h"
#include "train/study/table.h"

namespace vmoe {

struct StudyOptions {
  /// Shared by all arms. Of it the study sets itself: the router, super-classes, start weights, seed, folder.
  TrainOptions train;
  int seeds = 3;                  // 1 .. seeds
  std::vector<std::string> arms;  // names of train/study/arms.h; empty: all that the data allow
  ClusterMethod method = ClusterMethod::spectral;
  /// Of the epochs, so many train one dense model a seed from which every arm with experts then starts, each
  /// expert a copy of its MLP; 0: they draw their weights. Dense arms train all epochs at once.
  int upcycle_epochs = 0;
  std::string output;       // folder
  std::string results;      // file; empty: results.jsonl in the folder
  bool only_table = false;  // train nothing
};

struct StudyListener {
  RunListener run;                                   // of the run at work
  std::function<void(const std::string& line)> say;  // what begins, and what came out
};

struct Study {
  std::vector<ArmSummary> arms;         // those with a result, in the order of mobile_arms()
  std::vector<Comparison> comparisons;  // of superclass with each other arm with experts
  std::string results;                  // the file
  std::string folder, report;           // of the runs, and the page; empty with only_table
  int missing = 0;                      // arms and seeds that were asked for and are not there
  std::vector<std::string> diverged;    // of these, the runs that ended without numbers, and why
  std::vector<std::string> elsewhere;   // of these, "ARM, seed N" that another process is at work on
};

/// Runs what is missing, and summarises all results of these arms that the file has, of more seeds, too.
///
/// Super-classes come once, from the dense arm's seed 1 and the images that it held out, with at most 2 N / E
/// classes in each; random ones are drawn anew for each seed. A run lies in OUTPUT/runs/ARM-SEED and is
/// resumed; a finished arm is a line of the results and not run again. The hold-out chooses the epoch, the
/// test images are read once for each arm and seed. In the end OUTPUT/report.html shows it all
/// (train/report/report.h), but for what a run shows that is no longer in the folder. What is written is the
/// same for any number of threads, but for the times.
///
/// Several processes may be given the same study: each takes runs that none is at work on, and ends when there
/// are no others; the last one to end has them all.
///
/// A run whose loss is no longer finite is left out, and the others go on. Throws UsageError where arms and
/// data do not go together and when the folder holds a study of another recipe, Interrupted after a
/// checkpoint, and what runs throw.
Study run_study(const StudyOptions& options, const StudyListener& listener);

}  // namespace vmoe
