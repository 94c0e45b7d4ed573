#include "train/metrics.h"

#include <utility>

#include "train/figures.h"

namespace vmoe {
namespace {

std::string json_text(const Record& value) {
  return value.dump(-1, ' ', false, Record::error_handler_t::replace);
}

std::string csv_text(const Record& value) {
  if (value.is_null()) return "";
  return csv_field(value.is_string() ? value.get<std::string>() : json_text(value));
}

std::string csv_line(const std::vector<std::string>& columns) {
  std::string line;
  for (const std::string& column : columns) line += (line.empty() ? "" : ",") + csv_field(column);
  return line + '\n';
}

/// `path`, if what is kept of the table has its header: else the columns of new rows would not fit.
std::filesystem::path with_header(std::filesystem::path path, uint64_t keep, const std::string& header) {
  if (keep == 0) return path;
  const InputFile file(path);
  std::string start(header.size(), '\0');
  if (keep >= header.size() && file.size() >= header.size()) file.read(0, start.data(), start.size());
  if (start == header) return path;
  throw InputError("cannot continue '" + path.string() + "': its first line must be " +
                   header.substr(0, header.size() - 1));
}

}  // namespace

void JsonLines::append(const Record& record) {
  file_.append(json_text(record) + '\n');
}

CsvFile::CsvFile(std::filesystem::path path, std::vector<std::string> columns, uint64_t keep)
    : columns_(std::move(columns)), file_(with_header(std::move(path), keep, csv_line(columns_)), keep) {
  if (keep == 0) file_.append(csv_line(columns_));
}

void CsvFile::append(const Record& record) {
  std::string line;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const auto figure = record.find(columns_[i]);
    if (i > 0) line += ',';
    if (figure != record.end()) line += csv_text(*figure);
  }
  file_.append(line + '\n');
}

}  // namespace vmoe
