#pragma once
// Running a model forward: packed weights shared by threads, and per thread a tape that records nothing.

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "data/batch.h"
#include "data/image.h"
#include "moe/model.h"
#include "tensor/lanes.h"

namespace vmoe {

/// One thread's means to run chunks of images forward.
struct InferenceWorker {
  InferenceWorker(int number, const Model& model, const PackedWeights& packed)
      : index(number), tape(arena, model.parameters(), packed) {}

  const int index;  // of the thread, 0 .. threads - 1
  Arena arena;
  Tape tape;
  ImageScratch scratch;
};

/// Many images through a model, cut into chunks that the threads take in order. The logits of an image do not
/// depend on threads, nor on the images beside it.
class Inference {
 public:
  /// Packs the model's weights as they are now; `pack` does it again after they changed.
  /// With fewer bits than fp32, all weights but Model::exact_weights(), those of fewer than 8 outputs and of
  /// more inputs than the sums of this precision hold are packed in `precision`. Throws
  /// UsageError if this cannot be had.
  Inference(const Model& model, int threads, Precision precision = Precision::fp32);
  void pack();
  /// For a model that only predicts: its matrices are packed and released, an expert's when its first image
  /// comes (`PackedWeights::pack_and_release`), so that they lie in memory once. `pack` is an error then, as
  /// is saving the model.
  static Inference taking_weights(Model& model, int threads, Precision precision = Precision::fp32) {
    return {model, threads, precision, &model.parameters()};
  }

  int threads() const { return static_cast<int>(workers_.size()); }

  /// Runs work(worker, first, count) for chunks of at most `chunk()` images of 0 .. images - 1 on all
  /// threads, and then finish(worker, first, count) in the order of chunks, one at a time. The number of
  /// chunks is a multiple of four where there are as many images, so that few chunks keep two or four threads
  /// busy to the end.
  template <class Work, class Finish>
  void run(int64_t images, const Work& work, const Finish& finish) {
    const int64_t chunks = std::min(images, ((images + chunk_ - 1) / chunk_ + 3) / 4 * 4);
    LaneQueue queue(static_cast<int>(chunks));
    const auto first = [&](int i) { return images * i / chunks; };
    const auto count = [&](int i) { return static_cast<int>(first(i + 1) - first(i)); };
    in_parallel([&](InferenceWorker& worker) {
      queue.run([&](int i) { work(worker, first(i), count(i)); },
                [&](int i) { finish(worker, first(i), count(i)); });
    });
    queue.rethrow();
  }

  /// Forward pass of images [B, C, S, S] that lie in memory. The tape is not reset before.
  Model::Output forward(InferenceWorker& worker, Tensor images, Choice choice = Choice::learned,
                        int64_t position = 0) const;
  /// Forward passes of all these images: visit(worker, output, labels, count) sees each chunk of them, whose
  /// values are on the worker's tape, in the order of images, one at a time. Throws InputError naming a
  /// broken image.
  template <class Visit>
  void visit(const EvaluationImages& images, const Visit& visit) {
    struct Chunk {
      Model::Output output;
      int* labels;
    };
    std::vector<Chunk> chunks(workers_.size());  // by worker: from its work to its finish
    const VitConfig& vit = model_.config().vit;
    run(
        images.size(),
        [&](InferenceWorker& worker, int64_t first, int count) {
          worker.tape.reset();
          const Tensor pixels = worker.arena.tensor({count, vit.channels, vit.image_size, vit.image_size});
          int* labels = worker.arena.allocate<int>(count);
          images.fill(first, count, worker.scratch, pixels.data, labels);
          chunks[worker.index] = {forward(worker, pixels), labels};
        },
        [&](InferenceWorker& worker, int64_t, int count) {
          visit(worker, chunks[worker.index].output, chunks[worker.index].labels, count);
        });
  }
  InferenceWorker& worker(int i) { return *workers_[i]; }
  int chunk() const { return chunk_; }
  /// Bytes of the packed weights.
  size_t weight_bytes() const { return packed_.bytes(); }
  /// Matrices of experts that no image has come to yet.
  int waiting_experts() const { return packed_.waiting(); }

 private:
  Inference(const Model& model, int threads, Precision precision, ParameterStore* to_release);
  void in_parallel(const std::function<void(InferenceWorker&)>& body);

  const Model& model_;
  PackedWeights packed_;
  int chunk_;  // images
  std::vector<std::unique_ptr<InferenceWorker>> workers_;
};

}  // namespace vmoe
