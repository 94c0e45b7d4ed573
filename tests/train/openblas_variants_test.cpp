// Debian has OpenBLAS in three variants (pthreads, OpenMP, serial) behind one name; each must be known for
// what it is and start no threads beside ours. One test case runs in a process of its own for each variant
// that is installed.

#include <doctest/doctest.h>
#include <omp.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "tensor/hash.h"
#include "tensor/kernels/kernels.h"
#include "tensor/matmul.h"
#include "tests/support/run_again.h"
#include "train/random_batch.h"
#include "train/step.h"

using namespace vmoe;
using vmoe::testing::run_again;
using vmoe::testing::SecondRun;
namespace fs = std::filesystem;

#if defined(VMOE_OPENBLAS) && !defined(VMOE_F64) && defined(__linux__)
namespace {

// A thread that was joined may be listed for another moment: the count is asked for until it is `expected`.
int threads_of_process(int expected) {
  int count = 0;
  for (int tries = 0; tries < 1000 && count != expected; ++tries) {
    if (tries > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    count = 0;
    for ([[maybe_unused]] const auto& task : fs::directory_iterator("/proc/self/task")) ++count;
  }
  return count;
}

// A hash of the weights after two steps of a model whose products are large enough for OpenBLAS to share out.
std::string train_two(int threads) {
  ModelConfig config;
  config.vit = {
      .image_size = 16, .channels = 3, .patch_size = 2, .dim = 64, .depth = 1, .heads = 2, .mlp_dim = 128};
  config.vit.classes = 4;
  Model model(config);
  model.initialise(3);
  Optimizer optimizer(model.parameters(), {});
  TrainingStep step(model, optimizer, {.batch_size = 16, .lanes = 2, .threads = threads});
  const RandomBatch batch(config.vit, 16);
  const FillBatch fill = [&](int64_t position, int count, ImageScratch&, real* images, real* targets,
                             int* labels) { batch.fill(position, count, images, targets, labels); };
  for (int i = 0; i < 2; ++i) step.run(fill, 0, 0, i + 1, 1e-2);
  Hash hash;
  hash.add(model.parameters().data(), model.parameters().size() * sizeof(real));
  return hash.digits();
}

// An instruction set on which OpenBLAS has work, or none.
const char* served_set() {
  const char* name = nullptr;
  for (const Kernels* table : available_kernels()) {
    if (blas_serves(*table)) name = table->name;
  }
  return name;
}

std::string line_of(const std::string& text, const std::string& start) {
  const size_t at = text.find(start);
  return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

constexpr const char* kOneVariant =
    "a training step under the OpenBLAS that is loaded has its own threads and no others";

}  // namespace

TEST_CASE("a training step under the OpenBLAS that is loaded has its own threads and no others" *
          doctest::skip()) {
  hold_blas_to_one_thread();
  CHECK(threads_of_process(1) == 1);
  const char* served = served_set();
  const bool serial = blas_description().find(", serial,") != std::string::npos;
  CHECK((served == nullptr) == serial);  // it keeps its buffers without locks
  use_kernels(served ? served : "baseline");
  const std::string one = train_two(1);
  CHECK(threads_of_process(1) == 1);
  CHECK(train_two(2) == one);
  CHECK(threads_of_process(2) == 2);
  use_kernels("plain");
  std::printf("BLAS: %s\nwithout: %s\n", blas_description().c_str(), train_two(2).c_str());
}

TEST_CASE(
    "every installed variant of OpenBLAS is known, held to one thread, and changes nothing where it is not "
    "used") {
  std::map<std::string, std::string> without;  // what each variant printed of the steps that don't use it
  for (const auto& [variant, kind] : std::map<std::string, std::string>{
           {"pthread", "pthreads"}, {"openmp", "OpenMP"}, {"serial", "serial"}}) {
    CAPTURE(variant);
    fs::path folder;
    std::error_code none;
    for (const auto& system : fs::directory_iterator("/usr/lib", none)) {
      const fs::path candidate = system.path() / ("openblas-" + variant);
      if (fs::exists(candidate / "libopenblas.so.0", none)) folder = candidate;
    }
    if (folder.empty()) {
      MESSAGE("skipped: OpenBLAS's variant " << variant << " is not installed (Debian: libopenblas0-"
                                             << variant << ")");
      continue;
    }
    const SecondRun run = run_again("LD_LIBRARY_PATH='" + folder.string() + "'", kOneVariant);
    CAPTURE(run.output);
    CHECK(run.status == 0);
    CHECK(line_of(run.output, "BLAS: ").find(kind + ", held to 1 thread") != std::string::npos);
    without[variant] = line_of(run.output, "without: ");
    CHECK(without[variant].size() > 20);
    CHECK(without[variant] == without.begin()->second);
  }
}
#endif
