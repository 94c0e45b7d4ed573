#include "tests/train/sample_report.h"

#include <algorithm>
#include <cctype>

#include "data/write_png.h"

namespace vmoe::testing {
namespace {

std::string coloured_png(int red, int green, int blue) {
  std::vector<uint8_t> pixels(32 * 32 * 3);
  for (size_t i = 0; i < pixels.size(); i += 3) {
    const int shade = static_cast<int>(i / 3 / 32 * 3);
    pixels[i] = static_cast<uint8_t>(std::min(red + shade, 255));
    pixels[i + 1] = static_cast<uint8_t>(green);
    pixels[i + 2] = static_cast<uint8_t>(blue);
  }
  return encode_png({pixels.data(), 32, 32, 3});
}

/// 0 .. 1, the same for the same number.
double noise(uint64_t number) {
  return static_cast<double>(number * 2654435761u % 1000003u) / 1000003.0;
}

ReportCurve sample_curve(int seed, double last, int number) {
  ReportCurve curve;
  curve.seed = seed;
  for (int epoch = 1; epoch <= 60; ++epoch) {
    const double left = 1.0 / (1.0 + 0.12 * epoch);
    const double shake = noise(static_cast<uint64_t>(1000 * number + 100 * seed + epoch)) - 0.5;
    curve.epoch.push_back(epoch);
    curve.train_loss.push_back(1.2 + 3.4 * left + 0.05 * number + 0.03 * shake);
    curve.holdout_top1.push_back(last * (1 - left) / (1 - 1.0 / 8.2) + 0.006 * shake);
  }
  return curve;
}

void add_arms(StudyReport& report) {
  struct Row {
    const char *name, *meaning;
    double top1, params, active, flops, ms;
  };
  const Row rows[] = {
      {"dense", "the dense control of equal FLOPs an image", 0.5712, 0.236e6, 0.236e6, 24.1e6, 0.412},
      {"mobile", "one router, super-classes from the baseline's confusion", 0.5983, 0.836e6, 0.242e6, 24.2e6,
       0.431},
      {"random super-classes", "the same sizes, classes drawn at random", 0.5641, 0.836e6, 0.242e6, 24.2e6,
       0.430},
      {"end-to-end image", "no super-classes, a balance loss", 0.5688, 0.836e6, 0.242e6, 24.2e6, 0.433},
      {"end-to-end token", "every token is routed in every block", 0.6011, 0.838e6, 0.81e6, 24.3e6, 0.689},
      {"coarse labels", "the data set's own coarse labels", 0.5897, 0.836e6, 0.242e6, 24.2e6, 0.429},
      {"dense, wide", "the dense control of equal total parameters", 0.6274, 0.841e6, 0.841e6, 86.0e6,
       1.318}};
  int number = 0;
  for (const Row& row : rows) {
    ReportArm arm;
    arm.name = row.name;
    arm.meaning = row.meaning;
    for (int seed = 1; seed <= 3; ++seed) {
      arm.top1.push_back(row.top1 + 0.008 * (noise(static_cast<uint64_t>(10 * number + seed)) - 0.5));
      arm.curves.push_back(sample_curve(seed, row.top1, number));
    }
    arm.params = row.params;
    arm.active_params = row.active;
    arm.flops = row.flops;
    arm.p50_ms = row.ms;
    arm.p95_ms = 1.12 * row.ms;
    const bool dense = arm.name.starts_with("dense");
    arm.experts_touched = dense ? 0 : arm.name == "end-to-end token" ? 8.4 : 1;
    arm.bytes_touched = 4 * row.active;
    arm.routed_share = dense ? 0 : 0.21;
    report.arms.push_back(arm);
    ++number;
  }
}

}  // namespace

StudyReport sample_report(int classes, int experts) {
  const char* const words[] = {"apple",  "bear",  "bottle", "camel",  "castle", "chimpanzee", "cloud",
                               "cup",    "fox",   "lamp",   "lizard", "maple",  "motorcycle", "orchid",
                               "pickup", "plate", "rocket", "seal",   "spider", "streetcar"};
  StudyReport report;
  report.title = "Mobile V-MoE on made-up images";
  report.data = "made-up: 50,000 images for training (5,000 of them held out), 10,000 for testing";
  report.recipe = "epochs = 60\nbatch-size = 128\nlr = 2e-3\nlabel-smoothing = 0.1";
  report.version = "0.1.0";
  add_arms(report);
  report.differences = {{"mobile", "dense", 2.71, 1.62, 3.79},
                        {"mobile", "random super-classes", 3.42, 2.31, 4.55},
                        {"mobile", "end-to-end image", 2.95, 1.8, 4.1},
                        {"end-to-end token", "mobile", 0.28, -0.81, 1.36},
                        {"random super-classes", "dense", -1.4, -2.45, -0.35}};
  const auto n = static_cast<size_t>(classes), e = static_cast<size_t>(experts);
  report.confusion.assign(n * n, 0);
  report.heat.assign(e * n, 0);
  for (size_t i = 0; i < n; ++i) {
    const std::string again = i >= 20 ? " " + std::to_string(i / 20 + 1) : "";
    report.classes.push_back(words[i % 20] + again);
    report.super_class.push_back(static_cast<int>(i * e / n));
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      const bool inside = report.super_class[i] == report.super_class[j];
      const double chance = noise(i * 977 + j * 131 + 7);
      report.confusion[i * n + j] = i == j ? 60 : inside ? 12 * chance : chance > 0.9 ? 4 * chance : 0;
    }
    double rest = 1;
    const auto own = static_cast<size_t>(report.super_class[i]);
    for (size_t k = 0; k < e; ++k) {
      const double share = k == own ? 0 : rest * 0.15 * noise(i * 71 + k * 13);
      report.heat[k * n + i] = share;
      rest -= share;
    }
    report.heat[own * n + i] = rest;
  }
  report.examples.resize(e);
  for (size_t k = 0; k < e; ++k)
    for (size_t i = 0; i < 8; ++i)
      report.examples[k].push_back(
          {coloured_png(static_cast<int>(40 + 20 * i), static_cast<int>(255 * k / e), 140),
           report.classes[(k * n / e + i) % n]});
  return report;
}

std::string markup_fault(const std::string& page) {
  std::vector<std::string> open;
  const auto fault = [&](const std::string& what, size_t at) {
    return what + " in '" + page.substr(at > 40 ? at - 40 : 0, 80) + "'";
  };
  for (size_t i = page.starts_with("<!DOCTYPE html>\n") ? 16 : 0; i < page.size(); ++i) {
    if (page[i] == '&') {
      const size_t end = page.find_first_not_of("abcdefghijklmnopqrstuvwxyz#0123456789", i + 1);
      if (end == std::string::npos || page[end] != ';') return fault("a bare &", i);
    }
    if (page[i] != '<') continue;
    size_t end = i + 1;
    bool quoted = false;
    for (; end < page.size() && (quoted || page[end] != '>'); ++end) {
      if (page[end] == '"') quoted = !quoted;
      if (page[end] == '<') return fault("a bare <", end);
    }
    if (end == page.size()) return fault("a tag without end", i);
    const std::string tag = page.substr(i + 1, end - i - 1);
    const bool closing = tag.starts_with("/");
    const std::string name = tag.substr(closing, tag.find_first_of(" /", closing) - closing);
    if (name.empty() || !std::isalpha(static_cast<unsigned char>(name[0]))) return fault("no tag's name", i);
    if (closing) {
      if (open.empty() || open.back() != name) return fault("</" + name + "> closes nothing", i);
      open.pop_back();
    } else if (!tag.ends_with("/")) {
      open.push_back(name);
    }
    i = end;
  }
  return open.empty() ? "" : "<" + open.back() + "> is never closed";
}

std::vector<std::string> attributes(const std::string& page, const std::string& name) {
  std::vector<std::string> values;
  const std::string begin = " " + name + "=\"";
  for (size_t at = page.find(begin); at != std::string::npos; at = page.find(begin, at + 1)) {
    const size_t from = at + begin.size();
    values.push_back(page.substr(from, page.find('"', from) - from));
  }
  return values;
}

}  // namespace vmoe::testing
