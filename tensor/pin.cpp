#include "tensor/pin.h"

#if defined(__linux__)
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <vector>
#endif

namespace vmoe {

#if defined(__linux__)

namespace {

std::atomic<bool> pinning_allowed{false};

bool openmp_places_threads() {
  for (const char* name : {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"}) {
    if (std::getenv(name)) return true;
  }
  return false;
}

// Processors that workers are pinned to, in order; empty if pinning is not for this process.
std::vector<int> find_processors() {
  cpu_set_t allowed;
  if (openmp_places_threads() || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return {};
  std::vector<int> processors;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &allowed)) processors.push_back(i);
  }
  if (static_cast<long>(processors.size()) != sysconf(_SC_NPROCESSORS_ONLN)) return {};
  return processors;
}

// Asked for once, before any thread is pinned.
const std::vector<int>& processors() {
  static const std::vector<int> list = find_processors();
  return list;
}

}  // namespace

void allow_pinning(bool allowed) {
  pinning_allowed = allowed;
}

void pin_worker(int thread, int threads) {
  thread_local int place = -1;  // the processor that this thread is pinned to
  if (thread == 0) return;
  const std::vector<int>& all = processors();
  const bool pin = pinning_allowed && threads == static_cast<int>(all.size());
  const int wanted = pin ? all[thread] : -1;
  if (wanted == place) return;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  for (const int processor : all) {
    if (wanted < 0 || processor == wanted) CPU_SET(processor, &mask);
  }
  if (sched_setaffinity(0, sizeof mask, &mask) == 0) place = wanted;
}

#else

void allow_pinning(bool) {}
void pin_worker(int, int) {}

#endif

}  // namespace vmoe
