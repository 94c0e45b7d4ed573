// vmoe predict: what is on a picture.

#include "train/predict.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <istream>
#include <ostream>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "cli/output.h"
#include "tensor/kernels/narrow.h"
#include "train/model_file.h"

namespace vmoe {
namespace {

namespace fs = std::filesystem;

/// Called for every image in turn.
using Visit = std::function<void(const std::string& path)>;

bool named_like_an_image(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const char* const known[] = {".jpg", ".jpeg", ".png", ".ppm", ".pgm", ".pbm", ".pnm"};
  return std::find(std::begin(known), std::end(known), extension) != std::end(known);
}

/// The images of a folder, by their names, in alphabetical order.
void visit_folder(const std::string& folder, const Visit& visit) {
  std::error_code error;
  std::vector<std::string> paths;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (named_like_an_image(it->path()) && !it->is_directory(ignored)) paths.push_back(it->path().string());
  }
  if (error) throw IoError("cannot read the folder '" + folder + "': " + error.message());
  if (paths.empty())
    throw InputError("'" + folder + "' holds no image (.jpg, .jpeg, .png, .ppm, .pgm, .pbm, .pnm)");
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) visit(path);
}

/// A path a line, or, where the first one ends in NUL (find -print0), a path a NUL: a name may hold a line
/// end, but no NUL, which therefore ends a path in any list. Each is visited as soon as it is read.
void visit_list(std::istream& in, const Visit& visit) {
  constexpr size_t kLongest = (1 << 16) - 1;
  std::string path;
  bool first = true, lines = true;
  const auto take = [&] {
    if (lines && !path.empty() && path.back() == '\r') path.pop_back();
    if (!path.empty()) visit(path);
    path.clear();
  };
  for (char c; in.get(c);) {
    if (c == '\0' || (c == '\n' && lines)) {
      if (first) lines = c == '\n';
      first = false;
      take();
    } else {
      path += c;
    }
    if (path.size() > kLongest)
      throw InputError("standard input has a line of more than 65535 bytes; it must be a path a line");
  }
  if (in.bad()) throw IoError("cannot read the list on standard input");
  take();
}

/// Predicts image after image; one that is bad costs a line on `err`, not the rest.
class PredictionList {
 public:
  PredictionList(Predictor& predictor, int top, bool json, Streams& streams)
      : predictor_(predictor), top_(top), json_(json), streams_(streams) {
    if (json_) streams_.out << "{\"schema\": 1, \"predictions\": [";
  }

  void predict(const std::string& path) {
    attempt([&] { print(predictor_.predict(path, top_)); });
  }
  /// Runs `work`, whose error concerns one argument alone.
  void attempt(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      if (error.code() != ExitCode::input && error.code() != ExitCode::io) throw;
      complain(streams_.err, error.what());
      if (worst_ != ExitCode::input) worst_ = error.code();
    }
  }
  /// 3 if an image was bad; also if one could not be read, but others could.
  ExitCode finish() {
    if (json_) streams_.out << (count_ > 0 ? "\n]}\n" : "]}\n");
    return worst_ == ExitCode::io && count_ > 0 ? ExitCode::input : worst_;
  }

 private:
  void print(const Prediction& p) {
    if (json_) {
      streams_.out << (count_ > 0 ? ",\n  " : "\n  ") << json_line(to_json(p));
    } else {
      print_text(p);
    }
    ++count_;
  }

  static Json to_json(const Prediction& p) {
    Json json{{"path", p.path}, {"top", Json::array()}, {"experts", Json::array()}, {"ms", p.milliseconds}};
    for (const auto& guess : p.top) {
      json["top"].push_back({{"class", guess.name}, {"index", guess.index}, {"prob", guess.probability}});
    }
    for (const auto& expert : p.experts) {
      json["experts"].push_back({{"index", expert.index}, {"gate", expert.gate}, {"name", expert.name}});
    }
    return json;
  }

  void print_text(const Prediction& p) {
    streams_.out << p.path << '\n';
    for (const auto& guess : p.top) {
      const std::string share = percent(guess.probability, 1);
      streams_.out << std::string(share.size() < 10 ? 10 - share.size() : 0, ' ') << share << "  "
                   << guess.name << '\n';
    }
    for (const auto& expert : p.experts) {
      streams_.out << "  expert " << expert.index << (expert.name.empty() ? "" : " (" + expert.name + ")")
                   << ", gate " << fixed(expert.gate, 3) << '\n';
    }
  }

  Predictor& predictor_;
  int top_;
  bool json_;
  Streams& streams_;
  int64_t count_ = 0;
  ExitCode worst_ = ExitCode::done;
};

}  // namespace

ExitCode predict_command(Arguments arguments, Streams& streams) {
  std::string model, precision = "fp32";
  std::vector<std::string> images;
  int top = 5;
  Machine machine;
  bool json = false;
  Flags flags({"predict", "Says what is on pictures: the most probable classes, and the experts that looked.",
               "vmoe predict runs/first picture.png holiday/ --top 3"});
  flags.argument("MODEL", model, "a model file, or the folder of a run (its best model)");
  flags.arguments("IMAGE", images,
                  "JPEG, PNG or PNM files, folders of them, or - for a list on standard input");
  flags.group("Flags");
  flags.add("top", top, at_least(1), "classes to show of each image");
  add_precision_flag(flags, precision);
  add_json_flag(flags, json);
  add_machine_flags(flags, machine);
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;

  machine.prepare(streams);
  const Precision chosen = find_precision(precision);
  Predictor predictor(load_model(model_path(model)), machine.threads, chosen);
  PredictionList list(predictor, top, json, streams);
  const Visit visit = [&](const std::string& path) { list.predict(path); };
  for (const std::string& image : images) {
    std::error_code ignored;
    if (image == "-") {
      list.attempt([&] { visit_list(streams.in, visit); });
    } else if (fs::is_directory(image, ignored)) {
      list.attempt([&] { visit_folder(image, visit); });
    } else {
      visit(image);
    }
  }
  return list.finish();
}

}  // namespace vmoe
