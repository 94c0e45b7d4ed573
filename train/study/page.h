#pragma once
// From a study to the page that shows it: beside its table what the runs in its folder say.

#include <filesystem>
#include <functional>
#include <optional>

#include "data/dataset.h"
#include "train/checkpoint.h"
#include "train/metrics.h"
#include "train/report/report.h"
#include "train/study/study.h"

namespace vmoe {

/// The folder of one run of a study.
std::filesystem::path study_run(const std::filesystem::path& folder, const std::string& arm, int seed);

/// Arms and differences; curves, the baseline's confusion and the routes of super-classes as far as their
/// runs are in study.folder. `recipe` is what all arms share; `first_model` gives an arm's model of seed 1, if
/// it can be had. Throws what evaluation throws.
StudyReport study_page(const Study& study, const Dataset& dataset, const Record& recipe,
                       const std::function<std::optional<LoadedModel>(const std::string& arm)>& first_model,
                       int threads);

/// The epochs of a run, from the metrics.jsonl in its folder; none if there is no such file. Lines that are
/// not an epoch's are passed over.
ReportCurve read_curve(const std::filesystem::path& run, int seed);

/// What the baseline takes for what, on the images that it held out.
void add_confusion(StudyReport& page, const LoadedModel& baseline, const Dataset& dataset, int threads);

/// Where the model's router sends the images that were held out, and up to `examples` of them for each
/// expert: one of each class, in the order of how many it has of it, then the next of each, those of the
/// largest gate first. Throws UsageError for a model that does not route whole images.
void add_routes(StudyReport& page, const LoadedModel& mixture, const Dataset& dataset, int threads,
                int examples = 12);

}  // namespace vmoe
