// The embedded data set: noisy drawings, generated when it is opened, with a structure of super-classes. The
// outline of the drawing is the super-class (easy to see), the direction of the stripes in it the class (ranges
// of neighbours overlap), so that a model confuses mostly classes of one super-class. Place, size, angle,
// colours, contrast and noise vary.
//
//   synthetic:families=5,details=4,train=300,test=75,size=32,noise=40,seed=0
//   families 1 .. 6 outlines, details 1 .. 6 classes of each, train and test images of each class, size in
//   pixels, noise in grey levels. The bytes are the same on every machine.

#include <algorithm>
#include <cmath>
#include <map>

#include "data/formats.h"
#include "tensor/error.h"
#include "tensor/math.h"
#include "tensor/random.h"

namespace vmoe {

namespace {

constexpr const char* kFamilies[] = {"disc", "square", "triangle", "cross", "ring", "star"};
// Half the width of a class in steps to the next: above 0.5 neighbours overlap, so that no model is right
// always.
constexpr double kHueSpread = 0.5, kLeanSpread = 0.6;
constexpr int64_t kLargestBytes = int64_t{256} << 20;

struct SyntheticSettings {
  int families = 5, details = 4, train = 300, test = 75, size = 32, noise = 40, seed = 0;

  int classes() const { return families * details; }
  int64_t image_bytes() const { return int64_t{3} * size * size; }
};

struct Key {
  const char* name;
  int SyntheticSettings::*value;
  int least, most;
};

constexpr Key kKeys[] = {
    {"families", &SyntheticSettings::families, 1, 6}, {"details", &SyntheticSettings::details, 1, 6},
    {"train", &SyntheticSettings::train, 1, 100000},  {"test", &SyntheticSettings::test, 1, 100000},
    {"size", &SyntheticSettings::size, 8, 512},       {"noise", &SyntheticSettings::noise, 0, 255},
    {"seed", &SyntheticSettings::seed, 0, 1000000},
};

void set_key(const std::string& item, SyntheticSettings& settings) {
  const size_t equals = item.find('=');
  const std::string name = item.substr(0, equals);
  const auto key =
      std::find_if(std::begin(kKeys), std::end(kKeys), [&](const Key& k) { return name == k.name; });
  if (key == std::end(kKeys) || equals == std::string::npos) {
    throw UsageError("synthetic: '" + item +
                     "' is not KEY=VALUE; keys are families, details, train, test, size, noise, seed");
  }
  const std::string text = item.substr(equals + 1);
  const bool digits =
      !text.empty() && text.size() <= 7 && text.find_first_not_of("0123456789") == std::string::npos;
  const int value = digits ? std::stoi(text) : -1;
  if (value < key->least || value > key->most) {
    throw UsageError("synthetic: " + name + "=" + text + " is out of range " + std::to_string(key->least) +
                     " .. " + std::to_string(key->most));
  }
  settings.*key->value = value;
}

SyntheticSettings parse_settings(const std::string& path) {
  if (!is_synthetic(path)) {
    throw UsageError("'" + path +
                     "' is not synthetic data, which is called synthetic or synthetic:KEY=VALUE,...");
  }
  SyntheticSettings settings;
  for (size_t start = path.find(':'); start != std::string::npos && start + 1 < path.size();) {
    const size_t end = path.find(',', start + 1);
    set_key(path.substr(start + 1, end == std::string::npos ? end : end - start - 1), settings);
    start = end;
  }
  const int64_t images = int64_t{settings.classes()} * (settings.train + settings.test);
  if (images * settings.image_bytes() > kLargestBytes) {
    throw UsageError("synthetic: " + std::to_string(images) + " images of " +
                     std::to_string(settings.image_bytes()) + " bytes are more than 256 MiB");
  }
  return settings;
}

/// Signed distance (negative inside) from the outline of a family; outlines lie within the unit circle or so.
double outline(int family, double u, double v) {
  const double a = std::fabs(u), b = std::fabs(v);
  switch (family) {
    case 0:
      return std::sqrt(u * u + v * v) - 0.9;
    case 1:
      return std::max(a, b) - 0.8;
    case 2:
      return std::max(0.866 * a + 0.5 * v, -v) - 0.5;
    case 3:
      return std::min(std::max(a - 0.95, b - 0.35), std::max(a - 0.35, b - 0.95));
    case 4:
      return std::fabs(std::sqrt(u * u + v * v) - 0.65) - 0.32;
    default:
      return std::min(std::max(0.866 * a + 0.5 * v, -v), std::max(0.866 * a - 0.5 * v, v)) - 0.45;
  }
}

/// What varies from drawing to drawing.
struct Drawing {
  double x, y, scale, cosine, sine;     // place, size and angle of the outline
  double period, phase, along, across;  // of the stripes, in pixels; their direction
  double paper[3], dark[3], light[3];   // colours in 0 .. 255
};

/// A saturated colour; `hue` counts turns around the colour circle, `brightness` 0 .. 1.
void set_colour(double hue, double saturation, double brightness, double* rgb) {
  for (int c = 0; c < 3; ++c) {
    const double t = hue + (3 - c) / 3.0, wave = std::fabs(6 * (t - std::floor(t)) - 3) - 1;
    rgb[c] = 255 * brightness * (1 - saturation * (1 - std::clamp(wave, 0.0, 1.0)));
  }
}

Drawing draw(const SyntheticSettings& settings, int label, Random& random) {
  Drawing d;
  const int family = label / settings.details, detail = label % settings.details;
  const double half = settings.size / 2.0;
  d.scale = half * random.uniform(0.65, 0.95);
  d.x = half + half * random.uniform(-0.25, 0.25);
  d.y = half + half * random.uniform(-0.25, 0.25);
  const double angle = random.uniform(-0.3, 0.3);
  d.cosine = math::cos(angle);
  d.sine = math::sin(angle);
  // Between upright and level, leaning to either side: a mirrored drawing keeps its class.
  const double lean =
      (detail + random.uniform(-kLeanSpread, kLeanSpread)) / std::max(1, settings.details - 1);
  const double direction = math::kPi / 2 * lean * (random.below(2) == 0 ? 1 : -1);
  d.along = math::cos(direction);
  d.across = math::sin(direction);
  d.period = settings.size * random.uniform(0.18, 0.26);
  d.phase = random.uniform();
  const double hue = (family + random.uniform(-kHueSpread, kHueSpread)) / settings.families;
  const double brightness = random.uniform(0.6, 0.95);
  set_colour(hue, 0.8, brightness, d.light);
  set_colour(hue, 0.8, brightness * random.uniform(0.2, 0.7), d.dark);
  const double paper_hue = random.uniform();
  const double paper_saturation = random.uniform(0, 0.4);
  set_colour(paper_hue, paper_saturation, random.uniform(0.1, 0.9), d.paper);
  return d;
}

/// Triangle wave of period 1 between 0 and 1, steep enough to look like stripes with soft edges.
double stripe(double t) {
  const double wave = std::fabs(2 * (t - std::floor(t)) - 1);
  return std::clamp(2 * wave - 0.5, 0.0, 1.0);
}

void render(const SyntheticSettings& settings, int label, Random& random, uint8_t* pixels) {
  const Drawing d = draw(settings, label, random);
  const int family = label / settings.details;
  for (int row = 0; row < settings.size; ++row) {
    for (int column = 0; column < settings.size; ++column) {
      const double x = (column + 0.5 - d.x) / d.scale, y = (row + 0.5 - d.y) / d.scale;
      const double u = d.cosine * x - d.sine * y, v = d.sine * x + d.cosine * y;
      const double inside = std::clamp(0.5 - outline(family, u, v) * d.scale, 0.0, 1.0);
      const double mix = stripe(d.phase + (d.along * column + d.across * row) / d.period);
      const uint32_t bits = random.bits();
      const uint32_t more = random.bits();
      for (int c = 0; c < 3; ++c) {
        const int uniform =
            static_cast<int>(bits >> 8 * c & 255) + static_cast<int>(more >> 8 * c & 255) - 255;
        const double ink = d.dark[c] + mix * (d.light[c] - d.dark[c]);
        const double value = d.paper[c] + inside * (ink - d.paper[c]) + uniform * settings.noise / 255.0;
        *pixels++ = static_cast<uint8_t>(std::clamp(value + 0.5, 0.0, 255.0));
      }
    }
  }
}

class SyntheticDataset : public Dataset {
 public:
  SyntheticDataset(const std::string& path, const DatasetOptions& options) : settings_(parse_settings(path)) {
    info_.path = path;
    info_.format = "synthetic";
    info_.min_width = info_.max_width = info_.min_height = info_.max_height = settings_.size;
    name_classes(options.labels == "coarse");
    generate(0, settings_.train, options.labels == "coarse");
    generate(1, settings_.test, options.labels == "coarse");
  }

  ImageView image(Split split, int64_t i, ImageScratch&) const override {
    return {pixels_[split == Split::test].data() + i * settings_.image_bytes(), settings_.size,
            settings_.size, 3};
  }
  std::string name(Split split, int64_t i) const override {
    return "synthetic " + std::string(to_string(split)) + " image " + std::to_string(i);
  }

 private:
  void name_classes(bool coarse) {
    for (int family = 0; family < settings_.families; ++family) {
      info_.coarse_classes.push_back(kFamilies[family]);
      for (int detail = 0; detail < settings_.details; ++detail) {
        info_.classes.push_back(std::string(kFamilies[family]) + "-" + std::to_string(detail + 1));
        info_.coarse_of_class.push_back(family);
      }
    }
    if (!coarse) return;
    info_.classes = info_.coarse_classes;
    info_.coarse_classes.clear();
    info_.coarse_of_class.clear();
  }

  void generate(int split, int images_per_class, bool coarse) {
    const int64_t images = int64_t{images_per_class} * settings_.classes();
    pixels_[split].resize(static_cast<size_t>(images * settings_.image_bytes()));
    info_.held_bytes += pixels_[split].size();
    for (int64_t i = 0; i < images; ++i) {
      const int label = static_cast<int>(i % settings_.classes());
      Random random(static_cast<uint64_t>(settings_.seed), Stream::synthetic, static_cast<uint32_t>(split),
                    static_cast<uint32_t>(i));
      render(settings_, label, random, pixels_[split].data() + i * settings_.image_bytes());
      labels_[split].push_back(coarse ? label / settings_.details : label);
    }
  }

  SyntheticSettings settings_;
  std::vector<uint8_t> pixels_[2];  // by split
};

}  // namespace

bool is_synthetic(const std::string& path) {
  return path == "synthetic" || path.starts_with("synthetic:");
}

std::unique_ptr<Dataset> open_synthetic(const std::string& path, const DatasetOptions& options) {
  return std::make_unique<SyntheticDataset>(path, options);
}

}  // namespace vmoe
