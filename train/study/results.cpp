#include "train/study/results.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "tensor/error.h"

namespace vmoe {

namespace {

constexpr size_t kMostBytes = size_t{256} << 20;
constexpr char kDigits[] = "0123456789abcdef";

// Image 4 i + j is bit 3 - j of digit i.
std::string to_digits(const std::vector<uint8_t>& hits) {
  std::string text((hits.size() + 3) / 4, '0');
  for (size_t i = 0; i < text.size(); ++i) {
    int digit = 0;
    for (size_t j = 4 * i; j < 4 * i + 4; ++j) digit = 2 * digit + (j < hits.size() && hits[j]);
    text[i] = kDigits[digit];
  }
  return text;
}

std::vector<uint8_t> from_digits(const std::string& text, size_t n, const std::string& where) {
  const std::string digits = kDigits;
  if (text.size() != (n + 3) / 4 || text.find_first_not_of(digits) != std::string::npos) {
    throw InputError(where + ": 'hits' must be " + std::to_string((n + 3) / 4) +
                     " hexadecimal digits, four images each of n = " + std::to_string(n));
  }
  std::vector<uint8_t> hits(n);
  for (size_t i = 0; i < n; ++i) hits[i] = digits.find(text[i / 4]) >> (3 - i % 4) & 1;
  return hits;
}

// Whether a line without an end is what an append left of ours that did not come to its end.
bool begins_like_ours(const std::string& line) {
  const std::string start = "{\"schema\":1,\"study\":\"mobile\",";
  return start.starts_with(line) || line.starts_with(start);
}

template <class Result, class Visit>
void visit_figures(Result& r, const Visit& visit) {
  visit("hash", r.hash);
  visit("version", r.version);
  visit("arm", r.arm);
  visit("seed", r.seed);
  visit("top1", r.top1);
  visit("top5", r.top5);
  visit("loss", r.loss);
  visit("router_accuracy", r.router_accuracy);
  visit("holdout_top1", r.holdout_top1);
  visit("best_epoch", r.best_epoch);
  visit("steps", r.steps);
  visit("params", r.params);
  visit("active_params", r.active_params);
  visit("flops", r.flops);
  visit("routed_flops", r.routed_flops);
  visit("experts_touched", r.experts);
  visit("bytes_touched", r.bytes);
  visit("latency_p50_ms", r.p50_ms);
  visit("latency_p95_ms", r.p95_ms);
  visit("threads", r.threads);
  visit("isa", r.isa);
}

template <class T>
T whole_number(const Record& figure, const char* key, const std::string& where) {
  const bool fits = figure.is_number_integer() && figure >= 0 && figure <= std::numeric_limits<T>::max();
  if (!fits) throw InputError(where + ": '" + key + "' must be a whole number, 0 or more, that fits");
  return figure.get<T>();
}

}  // namespace

Record to_record(const ArmResult& result) {
  Record record;
  record["schema"] = 1;
  record["study"] = "mobile";
  visit_figures(result, [&](const char* key, const auto& value) { record[key] = value; });
  record["n"] = result.hits.size();
  record["hits"] = to_digits(result.hits);
  return record;
}

ArmResult arm_result(const Record& record, const std::string& where) {
  ArmResult result;
  try {
    if (record.at("schema") != 1 || record.at("study") != "mobile")
      throw InputError(where + ": not a result of 'vmoe study mobile' of schema 1");
    visit_figures(result, [&](const char* key, auto& value) {
      // A loss that is not finite is null in JSON.
      if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>) {
        const Record& figure = record.at(key);
        value = figure.is_null() ? std::numeric_limits<double>::quiet_NaN() : figure.get<double>();
      } else if constexpr (std::is_integral_v<std::decay_t<decltype(value)>>) {
        value = whole_number<std::decay_t<decltype(value)>>(record.at(key), key, where);
      } else {
        record.at(key).get_to(value);
      }
    });
    result.hits = from_digits(record.at("hits").get<std::string>(),
                              whole_number<int>(record.at("n"), "n", where), where);
  } catch (const nlohmann::json::exception& error) {
    throw InputError(where + ": not a result of 'vmoe study mobile': " + error.what());
  }
  return result;
}

ResultsFile::ResultsFile(std::filesystem::path path) : path_(std::move(path)) {
  refresh();
}

void ResultsFile::refresh() {
  if (!file_exists(path_)) return;
  const std::string text = read_file(path_, kMostBytes);
  while (bytes_ < text.size()) {
    const size_t end = std::min(text.find('\n', bytes_), text.size());
    const std::string line = text.substr(bytes_, end - bytes_);
    if (!line.empty()) {
      const std::string where = "'" + path_.string() + "', line " + std::to_string(lines_ + 1);
      const Record record = Record::parse(line, nullptr, false);
      if (end == text.size() && !record.is_object() && begins_like_ours(line)) return;
      if (!record.is_object()) throw InputError(where + ": not a JSON object");
      results_.push_back(arm_result(record, where));
      ++lines_;
    } else if (ended_) {
      ++lines_;  // an empty one, and not the end of one that was read without it
    }
    ended_ = end < text.size();
    bytes_ = end + ended_;
  }
}

const ArmResult* ResultsFile::find(const std::string& hash, const std::string& arm, int seed) const {
  const auto found = std::find_if(results_.begin(), results_.end(), [&](const ArmResult& r) {
    return r.hash == hash && r.arm == arm && r.seed == seed;
  });
  return found == results_.end() ? nullptr : &*found;
}

void ResultsFile::append(const ArmResult& result) {
  const FileLock lock(path_, FileLock::IfHeld::wait);  // a study beside this one may be writing its line
  refresh();
  if (find(result.hash, result.arm, result.seed)) return;
  AppendFile file(path_, bytes_);
  file.append((ended_ ? "" : "\n") +
              to_record(result).dump(-1, ' ', false, Record::error_handler_t::replace) + "\n");
  file.flush();
  bytes_ = file.size();
  ended_ = true;
  ++lines_;
  results_.push_back(result);
}

}  // namespace vmoe
