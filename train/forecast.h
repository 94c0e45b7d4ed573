#pragma once
// What a run will need, said before it starts: memory by part, and time from a calibration of about two
// seconds with the trainer's own step on the run's own images.

#include <cstddef>
#include <cstdint>

#include "train/inference.h"
#include "train/plan.h"

namespace vmoe {

/// Bytes at the peak of a run, by what they are for; T threads.
struct RunMemory {
  size_t program = 0;           // code, heap, stacks, buffers of OpenBLAS
  size_t data = 0;              // images held in memory, labels, their order
  size_t mapped = 0;            // files read through the page cache; the system may take them back
  size_t weights = 0;           // and their average
  size_t moments = 0;           // of AdamW
  size_t gradients = 0;         // of the batch
  size_t thread_gradients = 0;  // T times: of one lane; of stacked experts those that its images can touch
  size_t packed = 0;            // the weights as the products read them, and their transposes
  size_t activations = 0;       // T times: of one chunk, and what decoding its images needs
  size_t evaluation = 0;        // packed weights once more, T times a chunk's activations

  size_t total() const {
    return program + data + mapped + weights + moments + gradients + thread_gradients + packed + activations +
           evaluation;
  }
};

/// What was measured.
struct Calibration {
  size_t program = 0;             // bytes
  size_t chunk = 0;               // bytes of one thread's training chunk, arena and scratch
  size_t evaluation_chunk = 0;    // the same in evaluation
  size_t large_image = 0;         // what one thread at a time has beyond that for a large image
  double step_seconds = 0;        // one update
  double evaluation_seconds = 0;  // of the whole hold-out
  double input_share = 0;         // of the threads' time: reading and decoding
  bool whole_steps = false;       // steps were run whole; else their parts were, and put together
};

/// Runs steps of `plan` on a model that is thrown away, for about `seconds` (more if two chunks on every
/// thread take longer). Needs the memory of the run. Throws InputError of a broken image.
Calibration calibrate(const RunPlan& plan, double seconds);

/// The peak of the run, or of one that differs in lanes and threads (its chunk then counted in proportion to
/// its images).
RunMemory memory_of(const RunPlan& plan, const Calibration& measured);
RunMemory memory_of(const RunPlan& plan, const Calibration& measured, int lanes, int threads);

/// Bytes that evaluating the hold-out takes besides packed weights, once `inference` has seen a chunk.
size_t evaluation_bytes(Inference& inference);

/// Bytes that a run of this model needs at the least, known without laying anything out.
double least_memory(const RunPlan& plan);

/// Bytes of checkpoints on disk at the most: best, last, state, and one of them being written.
uint64_t checkpoint_bytes(const RunPlan& plan);

/// Seconds of an epoch, evaluation included.
double epoch_seconds(const RunPlan& plan, const Calibration& measured);

/// Seconds of all steps up to `max_steps` (0: all), evaluations included.
double run_seconds(const RunPlan& plan, const Calibration& measured, int64_t max_steps = 0);

}  // namespace vmoe
