#pragma once
// What is on a picture?

#include <string>
#include <vector>

#include "tensor/kernels/narrow.h"
#include "train/checkpoint.h"

namespace vmoe {

struct Prediction {
  struct Guess {
    int index;  // class
    std::string name;
    double probability;
  };
  struct ChosenExpert {
    int index;
    double gate;       // where tokens are routed: its mean over tokens and MoE blocks
    std::string name;  // what the expert is for, from the super-classes
  };
  std::string path;
  std::vector<Guess> top;  // most probable first
  std::vector<ChosenExpert> experts;
  double milliseconds = 0;  // decoding and model
};

/// Predicts one image after the other; the threads share the work inside each op, and the result is the same
/// bytes for any number of them.
class Predictor {
 public:
  Predictor(LoadedModel loaded, int threads, Precision precision = Precision::fp32);
  ~Predictor();
  /// The `top` most probable classes. Throws InputError (a bad image) or IoError (unreadable).
  Prediction predict(const std::string& path, int top);
  const ModelDescription& description() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vmoe
