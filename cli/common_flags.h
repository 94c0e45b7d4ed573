#pragma once
// Flags that several commands have.

#include <memory>
#include <string>

#include "cli/flags.h"
#include "cli/program.h"
#include "data/dataset.h"
#include "train/options.h"

namespace vmoe {

/// --model, its sizes, and the mixture of experts. The help shows the defaults.
void add_model_flags(Flags& flags, ModelFlags& model, const std::string& default_model,
                     const std::string& default_experts);

/// The mixture of experts alone; `default_experts` is what the help shows.
void add_mixture_flags(Flags& flags, ModelFlags& model, const std::string& default_experts);

/// --format and --labels.
void add_data_flags(Flags& flags, std::string& format, std::string& labels);

/// What the machine should do: no result depends on --threads.
struct Machine {
  int threads = 0;           // 0: one per core
  std::string isa = "auto";  // instruction set of the kernels
  bool pin = false;          // threads, where they are as many as processors

  /// Chooses the kernels and settles `threads`. To be called before anything computes.
  void prepare();
  /// The same; says in one line when there are more threads than processors.
  void prepare(Streams& streams);
};

/// A group of --threads, --isa and --pin.
void add_machine_flags(Flags& flags, Machine& machine);

/// --precision of the products, in a group that is open. What is chosen becomes a Precision by
/// `find_precision`, in training by `find_training_precision`, after `Machine::prepare`.
void add_precision_flag(Flags& flags, std::string& precision);
void add_training_precision_flag(Flags& flags, std::string& precision);

/// --json.
void add_json_flag(Flags& flags, bool& json);

}  // namespace vmoe
