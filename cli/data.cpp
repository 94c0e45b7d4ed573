// vmoe data: what a data set holds.

#include <filesystem>
#include <ostream>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "cli/output.h"
#include "data/describe.h"
#include "data/write_png.h"

namespace vmoe {
namespace {

/// A class name as part of a file's name.
std::string file_name(const std::string& name) {
  std::string result = name.substr(0, 60);
  for (char& c : result) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain) c = '-';
  }
  return result;
}

/// Writes test images as FOLDER/NUMBER-CLASS.png, spread evenly over the test split; returns their paths.
std::vector<std::string> export_images(const Dataset& dataset, const std::string& folder, int64_t count) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw IoError("cannot make the folder '" + folder + "': " + error.message());
  const int64_t images = dataset.size(Split::test);
  if (images == 0) throw InputError("'" + dataset.info().path + "' has no test images");
  count = std::min(count, images);
  std::vector<std::string> paths;
  ImageScratch scratch;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = (2 * i + 1) * images / (2 * count);
    const std::string& name = dataset.info().classes[static_cast<size_t>(dataset.label(Split::test, index))];
    const std::string file = std::to_string(index) + "-" + file_name(name) + ".png";
    paths.push_back((std::filesystem::path(folder) / file).string());
    scratch.reset();
    write_png(paths.back(), dataset.image(Split::test, index, scratch));
  }
  return paths;
}

}  // namespace

ExitCode data_command(Arguments arguments, Streams& streams) {
  std::string data, folder;
  DatasetOptions options;
  int64_t count = 10;
  bool json = false;
  Flags flags({"data",
               "Says what a data set holds: format, classes, images, sizes, and broken files by name.",
               "vmoe data pictures/ --json"});
  flags.argument(
      "DATA", data,
      "a folder with train/CLASS/*.jpg and test/CLASS/*.jpg (PNG and PNM too), a folder of CIFAR-10, "
      "CIFAR-100 or IDX files, or synthetic:KEY=VALUE,... (families, details, train, test, size, noise, "
      "seed)");
  flags.group("Flags");
  add_data_flags(flags, options.format, options.labels);
  flags.text("export", folder, "DIR", "writes test images as PNG there, instead of the report");
  flags.add("count", count, between(1, 100000), "images to export, spread evenly");
  add_json_flag(flags, json);
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;

  if (!folder.empty()) {
    const std::vector<std::string> paths = export_images(*open_dataset(data, options), folder, count);
    Json object = json_result();
    object["images"] = paths;
    if (json) print_json(streams.out, object);
    for (const std::string& path : paths) {
      if (!json) streams.out << path << '\n';
    }
    return ExitCode::done;
  }
  const DataReport report = describe_dataset(data, options);
  if (json) {
    streams.out << to_json(report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  } else {
    streams.out << to_text(report);
  }
  return report.info.broken.empty() ? ExitCode::done : ExitCode::input;
}

}  // namespace vmoe
