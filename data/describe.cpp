#include "data/describe.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tensor/error.h"

namespace vmoe {

namespace {

/// Decodes every image of a split; those that cannot be decoded.
std::vector<BrokenFile> find_broken(const Dataset& dataset, Split split) {
  const int64_t images = dataset.size(split);
  std::vector<std::string> reasons(static_cast<size_t>(images));
#pragma omp parallel
  {
    ImageScratch scratch;
#pragma omp for schedule(dynamic, 16)
    for (int64_t i = 0; i < images; ++i) {
      ImageScratch::Frame frame(scratch);
      try {
        dataset.image(split, i, scratch);
      } catch (const std::exception& error) {
        reasons[static_cast<size_t>(i)] = error.what();
      }
    }
  }
  std::vector<BrokenFile> broken;
  for (int64_t i = 0; i < images; ++i) {
    if (!reasons[static_cast<size_t>(i)].empty()) {
      broken.push_back({dataset.name(split, i), reasons[static_cast<size_t>(i)]});
    }
  }
  return broken;
}

DataReport::SplitReport count(const Dataset& dataset, Split split) {
  DataReport::SplitReport report{dataset.size(split), std::vector<int64_t>(dataset.info().classes.size())};
  for (const int label : dataset.labels(split)) ++report.per_class[static_cast<size_t>(label)];
  return report;
}

std::string range(int low, int high) {
  return low == high ? std::to_string(low) : std::to_string(low) + " to " + std::to_string(high);
}

nlohmann::json to_json(const DataReport::SplitReport& split) {
  return {{"images", split.images}, {"per_class", split.per_class}};
}

}  // namespace

DataReport describe_dataset(const std::string& path, DatasetOptions options) {
  options.keep_broken = true;
  const auto dataset = open_dataset(path, options);
  DataReport report{dataset->info(), count(*dataset, Split::train), count(*dataset, Split::test)};
  for (const Split split : {Split::train, Split::test}) {
    if (report.info.format != "folder") break;  // other formats are checked whole when they are opened
    const auto broken = find_broken(*dataset, split);
    report.info.broken.insert(report.info.broken.end(), broken.begin(), broken.end());
  }
  std::sort(report.info.broken.begin(), report.info.broken.end(),
            [](const BrokenFile& a, const BrokenFile& b) { return a.path < b.path; });
  return report;
}

nlohmann::json to_json(const DataReport& report) {
  const DatasetInfo& info = report.info;
  nlohmann::json json{{"schema", 1},
                      {"path", info.path},
                      {"format", info.format},
                      {"classes", info.classes},
                      {"coarse_classes", info.coarse_classes},
                      {"channels", info.channels},
                      {"width", {{"min", info.min_width}, {"max", info.max_width}}},
                      {"height", {{"min", info.min_height}, {"max", info.max_height}}},
                      {"train", to_json(report.train)},
                      {"test", to_json(report.test)},
                      {"broken", nlohmann::json::array()}};
  for (const BrokenFile& file : info.broken)
    json["broken"].push_back({{"path", file.path}, {"reason", file.reason}});
  return json;
}

std::string to_text(const DataReport& report) {
  const DatasetInfo& info = report.info;
  std::ostringstream text;
  text << info.path << ": " << info.format << ", " << info.classes.size() << " classes";
  if (!info.coarse_classes.empty()) text << " in " << info.coarse_classes.size() << " super-classes";
  text << ", " << (info.channels == 1 ? "grey" : "RGB") << " images " << range(info.min_width, info.max_width)
       << " x " << range(info.min_height, info.max_height) << " pixels\n"
       << report.train.images << " training images, " << report.test.images << " test images\n";
  size_t width = 5;
  for (const std::string& name : info.classes) width = std::max(width, name.size());
  text << std::string("class") << std::string(width - 5, ' ') << "   train    test\n";
  for (size_t i = 0; i < info.classes.size(); ++i) {
    const std::string train = std::to_string(report.train.per_class[i]),
                      test = std::to_string(report.test.per_class[i]);
    text << info.classes[i]
         << std::string(width - info.classes[i].size() + 8 - std::min<size_t>(8, train.size()), ' ') << train
         << std::string(8 - std::min<size_t>(8, test.size()), ' ') << test << '\n';
  }
  text << (info.broken.empty() ? "no broken files\n"
                               : std::to_string(info.broken.size()) + " broken files:\n");
  for (const BrokenFile& file : info.broken) text << "  " << file.reason << '\n';
  return text.str();
}

}  // namespace vmoe
