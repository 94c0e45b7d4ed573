#pragma once
// What a data set holds, for `vmoe data`: every image file is decoded, so that broken ones are found before
// a long run is.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace vmoe {

struct DataReport {
  DatasetInfo info;  // `broken` lists every file that cannot be used, sorted by path
  struct SplitReport {
    int64_t images = 0;
    std::vector<int64_t> per_class;  // [N]
  };
  SplitReport train, test;
};

/// Opens the data set, counts, decodes every image file (on all OpenMP threads). Throws what open_dataset
/// throws; broken images of a folder are listed instead.
DataReport describe_dataset(const std::string& path, DatasetOptions options = {});

/// {"schema":1, "path", "format", "classes":[names], "coarse_classes":[names], "channels",
///  "width":{"min","max"}, "height":{...}, "train":{"images","per_class":[...]}, "test":{...},
///  "broken":[{"path","reason"}]}
nlohmann::json to_json(const DataReport& report);

/// The same for people, a few lines.
std::string to_text(const DataReport& report);

}  // namespace vmoe
