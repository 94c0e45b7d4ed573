#include "train/initial_model.h"

#include <algorithm>

#include "tensor/hash.h"
#include "train/atomic_file.h"
#include "train/division.h"

namespace vmoe {

namespace {

void add_division(const TrainOptions& options, const DatasetInfo& data, const std::string& where,
                  ModelDescription& d) {
  if (d.config.moe.is_dense()) {
    throw UsageError("--super-classes " + options.super_classes + ": the model of " + where +
                     " has no experts; vmoe upcycle gives it some");
  }
  const SuperClasses division = find_division(options.super_classes, data, d.config.moe.experts);
  if (d.config.moe.super_classes.empty()) return give_division(d, division);
  if (d.config.moe.super_classes != division.super_class) {
    throw UsageError("--super-classes " + options.super_classes + ": the model of " + where +
                     " was made for other super-classes; leave the flag out");
  }
}

std::string share(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace

ModelDescription describe_initial_model(const TrainOptions& options, const DatasetInfo& data,
                                        std::vector<std::string>& warnings) {
  const std::string where = "--init " + options.init;
  ModelDescription d = load_description(options.init);
  require_classes_of(d, data);
  d.config = model_from_flags(options.model, data, d.config, where);
  if (!options.super_classes.empty()) {
    add_division(options, data, where, d);
    if (!options.model.balance_weight) d.config.moe.balance_weight = 0;  // super-classes fix the load
  }
  if (d.holdout != options.holdout) {
    warnings.push_back(where + ": it was trained with --holdout " + share(d.holdout) + ", this run has " +
                       share(options.holdout) +
                       "; images that it was trained on may choose the best epoch and look too good");
  }
  return d;
}

std::string fingerprint_of(const std::string& path) {
  const InputFile file(path);
  Hash hash;
  std::vector<unsigned char> piece(1 << 16);
  for (uint64_t at = 0; at < file.size(); at += piece.size()) {
    piece.resize(static_cast<size_t>(std::min<uint64_t>(piece.size(), file.size() - at)));
    file.read(at, piece.data(), piece.size());
    hash.add(piece.data(), piece.size());
  }
  return "file " + hash.digits();
}

}  // namespace vmoe
