#include "train/study/page.h"

#include <algorithm>

#include "data/resize.h"
#include "data/write_png.h"
#include "train/evaluate.h"
#include "train/metrics.h"
#include "train/model_file.h"
#include "train/routes.h"
#include "train/version.h"

namespace vmoe {

namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = size_t{256} << 20;  // of a metrics.jsonl
constexpr int kExampleSide = 96;                  // pixels; larger images are scaled down to it

double figure(const Record& record, const char* key) {
  const auto found = record.find(key);
  return found != record.end() && found->is_number() ? found->get<double>() : ReportArm::kUnknown;
}

std::string png_of(ImageView image, ImageScratch& scratch) {
  const int longer = std::max(image.width, image.height);
  if (longer > kExampleSide) {
    const auto scaled = [&](int side) { return std::max(1, side * kExampleSide / longer); };
    image = resize(image, scaled(image.width), scaled(image.height), ResizeFilter::bicubic, scratch);
  }
  return encode_png(image);
}

// Positions of an expert's images in the order in which a reader should see them.
std::vector<size_t> best_examples(const Routes& routes, const ExpertRoutes& has, int expert, int wanted) {
  const auto gate = [&](size_t i) { return routes.choices[i * routes.per_unit].gate; };
  std::vector<std::vector<size_t>> of_class(routes.classes);
  for (size_t i = 0; i < routes.labels.size(); ++i) {
    if (routes.choices[i * routes.per_unit].expert == expert) of_class[routes.labels[i]].push_back(i);
  }
  for (std::vector<size_t>& images : of_class) {
    std::stable_sort(images.begin(), images.end(), [&](size_t a, size_t b) { return gate(a) > gate(b); });
  }
  std::vector<size_t> chosen;
  for (size_t round = 0;; ++round) {
    const size_t before = chosen.size();
    for (const ExpertRoutes::Share& share : has.classes) {
      const std::vector<size_t>& images = of_class[share.label];
      if (chosen.size() == static_cast<size_t>(wanted)) return chosen;
      if (round < images.size()) chosen.push_back(images[round]);
    }
    if (chosen.size() == before) return chosen;
  }
}

ReportDifference report_difference(const std::string& arm, const std::string& to, const Difference& d) {
  return {arm, to, d.mean, d.low, d.high, d.seeds};
}

ReportArm report_arm(const ArmSummary& arm) {
  const ArmResult& f = arm.figures;
  ReportArm shown;
  shown.name = arm.name;
  shown.meaning = arm.meaning;
  shown.top1 = arm.top1;
  shown.params = static_cast<double>(f.params);
  shown.active_params = static_cast<double>(f.active_params);
  shown.flops = static_cast<double>(f.flops);
  shown.p50_ms = f.p50_ms;
  shown.p95_ms = f.p95_ms;
  shown.experts_touched = f.experts;
  shown.bytes_touched = f.bytes;
  shown.routed_share = f.routed_share();
  return shown;
}

}  // namespace

fs::path study_run(const fs::path& folder, const std::string& arm, int seed) {
  return folder / "runs" / (arm + "-" + std::to_string(seed));
}

ReportCurve read_curve(const fs::path& run, int seed) {
  ReportCurve curve;
  curve.seed = seed;
  const fs::path file = run / "metrics.jsonl";
  if (!file_exists(file)) return curve;
  const std::string text = read_file(file, kMostBytes);
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const Record record = Record::parse(text.begin() + static_cast<int64_t>(begin),
                                        text.begin() + static_cast<int64_t>(end), nullptr, false);
    if (!record.is_object() || !record.contains("train_loss") || !record.contains("epoch")) continue;
    curve.epoch.push_back(figure(record, "epoch"));
    curve.train_loss.push_back(figure(record, "train_loss"));
    curve.holdout_top1.push_back(figure(record, "holdout_accuracy"));
  }
  return curve;
}

void add_confusion(StudyReport& page, const LoadedModel& baseline, const Dataset& dataset, int threads) {
  const ModelDescription& model = baseline.description;
  const EvaluationImages images = images_of(dataset, model, "holdout");
  page.classes = dataset.info().classes;
  page.confusion = evaluate(*baseline.model, images, threads, Confusion::hard).confusion;
}

void add_routes(StudyReport& page, const LoadedModel& mixture, const Dataset& dataset, int threads,
                int examples) {
  const ModelDescription& model = mixture.description;
  const EvaluationImages images = images_of(dataset, model, "holdout");
  auto inference = Inference::taking_weights(*mixture.model, threads);
  const Routes routes = find_routes(*mixture.model, inference, images);
  const std::vector<ExpertRoutes> experts = by_expert(routes, 0, model.config.moe.super_classes);

  page.classes = dataset.info().classes;
  page.super_class = model.config.moe.super_classes;
  page.heat.assign(static_cast<size_t>(routes.experts) * routes.classes, 0);
  std::vector<double> of_class(routes.classes, 0);
  for (const int label : routes.labels) ++of_class[label];
  page.examples.assign(routes.experts, {});
  ImageScratch scratch;
  scratch.reserve(dataset.info().largest_scratch);
  for (int e = 0; e < routes.experts; ++e) {
    for (const ExpertRoutes::Share& share : experts[e].classes) {
      page.heat[static_cast<size_t>(e) * routes.classes + share.label] =
          static_cast<double>(share.units) / of_class[share.label];
    }
    for (const size_t i : best_examples(routes, experts[e], e, examples)) {
      scratch.reset();
      const ImageView image =
          dataset.image(Split::train, images.image_index(static_cast<int64_t>(i)), scratch);
      page.examples[e].push_back({png_of(image, scratch), page.classes[routes.labels[i]]});
    }
  }
}

StudyReport study_page(const Study& study, const Dataset& dataset, const Record& recipe,
                       const std::function<std::optional<LoadedModel>(const std::string& arm)>& first_model,
                       int threads) {
  const DatasetInfo& data = dataset.info();
  StudyReport page;
  page.title = "Mobile V-MoE on " + (data.format == "folder" ? name_of_data(data.path) : data.format);
  page.data = std::to_string(data.classes.size()) + " classes, " +
              std::to_string(dataset.size(Split::train)) +
              " images to train on, part of them held out to choose the epoch, " +
              std::to_string(dataset.size(Split::test)) + " to test on";
  const Record flat = recipe.flatten();
  for (const auto& [key, value] : flat.items())
    page.recipe +=
        key.substr(1) + " = " + value.dump(-1, ' ', false, Record::error_handler_t::replace) + '\n';
  page.version = code_version();
  for (const ArmSummary& arm : study.arms) {
    page.arms.push_back(report_arm(arm));
    for (const int seed : arm.seeds) {
      ReportCurve curve = read_curve(study_run(study.folder, arm.name, seed), seed);
      if (!curve.epoch.empty()) page.arms.back().curves.push_back(std::move(curve));
    }
    if (arm.to_dense) page.differences.push_back(report_difference(arm.name, "dense", *arm.to_dense));
  }
  for (const Comparison& c : study.comparisons)
    page.differences.push_back(report_difference(c.arm, c.to, c.difference));
  const auto is_there = [&](const char* name) {
    return std::any_of(study.arms.begin(), study.arms.end(),
                       [&](const ArmSummary& a) { return a.name == name; });
  };
  if (is_there("dense")) {
    if (const auto model = first_model("dense")) add_confusion(page, *model, dataset, threads);
  }
  if (is_there("superclass")) {
    if (const auto model = first_model("superclass")) add_routes(page, *model, dataset, threads);
  }
  return page;
}

}  // namespace vmoe
