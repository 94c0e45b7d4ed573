#pragma once
// The figures of a run as they arise: metrics.jsonl (a JSON object a line) and summary.csv (a row an epoch).
//
// Both only grow at their end. A resumed run keeps their lines up to the step of its checkpoint (counted in
// the files themselves) and writes the others again, so that they look as if the run had never stopped.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/atomic_file.h"

namespace vmoe {

/// One record: names to figures, in the order in which they are to appear.
using Record = nlohmann::ordered_json;

/// A file of one JSON object a line (jsonlines.org). Numbers that JSON does not know (NaN, infinity) become
/// null, bytes that are not UTF-8 become U+FFFD.
class JsonLines {
 public:
  /// Continues behind the first `keep` bytes; 0 starts anew. Errors as AppendFile's.
  explicit JsonLines(std::filesystem::path path, uint64_t keep = 0) : file_(std::move(path), keep) {}

  void append(const Record& record);
  uint64_t size() const { return file_.size(); }
  /// To be called before a checkpoint is written, which must not be ahead of its lines.
  void flush() { file_.flush(); }

 private:
  AppendFile file_;
};

/// A table with a fixed header (RFC 4180, lines end with \n).
class CsvFile {
 public:
  /// Continues behind the first `keep` bytes, which must start with this header (InputError otherwise); 0
  /// starts anew with the header.
  CsvFile(std::filesystem::path path, std::vector<std::string> columns, uint64_t keep = 0);

  /// One row: the record's figures under the columns of their names; a column without a figure stays empty.
  void append(const Record& record);
  void flush() { file_.flush(); }

 private:
  std::vector<std::string> columns_;
  AppendFile file_;
};

}  // namespace vmoe
