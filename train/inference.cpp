#include "train/inference.h"

#include <omp.h>

#include <algorithm>

#include "tensor/pin.h"
#include "train/precision.h"

namespace vmoe {

namespace {

// Enough rows to make use of a panel of weights while it is near, few enough that activations stay in the
// cache and many chunks keep threads busy to the end: measured equal from 128 to 512 rows, in less memory. At
// least four images, for the classifier's weights are read for a row an image.
int images_of_chunk(int64_t tokens) {
  return static_cast<int>(std::clamp<int64_t>(200 / tokens, 4, 32));
}

}  // namespace

Inference::Inference(const Model& model, int threads, Precision precision)
    : Inference(model, threads, precision, nullptr) {}

Inference::Inference(const Model& model, int threads, Precision precision, ParameterStore* to_release)
    : model_(model),
      packed_(model.parameters(), kernels(), false, inference_weights(model, precision)),
      chunk_(images_of_chunk(model.config().vit.tokens())) {
  for (int i = 0; i < std::max(1, threads); ++i) {
    workers_.push_back(std::make_unique<InferenceWorker>(i, model, packed_));
  }
  if (to_release) {
    packed_.pack_and_release(*to_release);
  } else {
    pack();
  }
}

void Inference::pack() {
  packed_.pack_all();
}

void Inference::in_parallel(const std::function<void(InferenceWorker&)>& body) {
#pragma omp parallel num_threads(threads())
  {
    flush_denormals();
    pin_worker(omp_get_thread_num(), omp_get_num_threads());
    body(*workers_[omp_get_thread_num()]);
  }
}

Model::Output Inference::forward(InferenceWorker& worker, Tensor images, Choice choice,
                                 int64_t position) const {
  Pass pass{worker.tape};
  pass.position = static_cast<uint32_t>(position);
  return model_.forward(pass, worker.tape.constant(images), choice);
}

}  // namespace vmoe
