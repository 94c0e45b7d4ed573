// Threads on processors of their own.

#include "tensor/pin.h"

#include <doctest/doctest.h>

#ifdef __linux__
#include <omp.h>
#include <sched.h>
#include <unistd.h>

#include <set>
#include <vector>

#include "tests/support/run_again.h"

using namespace vmoe;
using vmoe::testing::run_again;

namespace {

// The processors that each thread of a region of `threads` may use after `pin_worker`.
std::vector<std::vector<int>> places_in_region(int threads) {
  std::vector<std::vector<int>> places(threads);
#pragma omp parallel num_threads(threads)
  {
    pin_worker(omp_get_thread_num(), omp_get_num_threads());
    cpu_set_t mask;
    sched_getaffinity(0, sizeof mask, &mask);
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &mask)) places[omp_get_thread_num()].push_back(i);
    }
  }
  return places;
}

int processors() {
  return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

void check_all_free(int threads) {
  CAPTURE(threads);
  for (const auto& place : places_in_region(threads)) CHECK(static_cast<int>(place.size()) == processors());
}

bool whole_machine() {
  if (omp_get_num_procs() == processors() && processors() > 1) return true;
  MESSAGE("skipped: this process may use one processor, or not all of them");
  return false;
}

}  // namespace

TEST_CASE("as many threads as processors have one each, but thread 0, whose place others would inherit") {
  if (!whole_machine()) return;
  check_all_free(processors());  // nobody has asked for it
  allow_pinning(true);
  const auto places = places_in_region(processors());
  CHECK(static_cast<int>(places[0].size()) == processors());
  std::set<int> used;
  for (size_t i = 1; i < places.size(); ++i) {
    REQUIRE(places[i].size() == 1);
    used.insert(places[i][0]);
  }
  CHECK(static_cast<int>(used.size()) == processors() - 1);
  CHECK(omp_get_num_procs() == processors());
  check_all_free(processors() + 1);  // threads that were pinned are freed
  check_all_free(1);
  allow_pinning(false);
  check_all_free(processors());
}

TEST_CASE("pinning leaves every thread free" * doctest::skip()) {
  allow_pinning(true);
  check_all_free(processors());
}

TEST_CASE("threads are left where OpenMP was told to put them") {
  if (!whole_machine()) return;
  // A variable that GCC's OpenMP does not know, and one value by which LLVM's moves nothing.
  CHECK(run_again("KMP_AFFINITY=disabled", "pinning leaves every thread free").status == 0);
  CHECK(run_again("OMP_PROC_BIND=false", "pinning leaves every thread free").status == 0);
  CHECK(run_again("UNRELATED=1", "pinning leaves every thread free").status !=
        0);  // the check sees pinned threads
}
#endif
