#include "tensor/team.h"

#include <omp.h>

#include <thread>

#include "tensor/kernels/kernels.h"

namespace vmoe {

namespace {

// Jobs follow each other within microseconds, so waiting starts by spinning; with more threads than cores the
// processor must be given away.
template <class Condition>
void wait_until(const Condition& condition) {
  for (int spins = 0; !condition(); ++spins) {
    if (spins > 2000) std::this_thread::yield();
  }
}

}  // namespace

Team& Team::alone() {
  static Team team(1);
  return team;
}

void Team::lead(const std::function<void()>& leader) {
  if (threads_ == 1) {
    flush_denormals();
    return leader();
  }
  std::exception_ptr error;
  over_ = false;
  failed_ = false;
  error_ = nullptr;
  first_ticket_ = ticket_;
#pragma omp parallel num_threads(threads_)
  {
    flush_denormals();
    if (omp_get_thread_num() == 0) {
      workers_ = omp_get_num_threads() - 1;
      leading_ = workers_ > 0;
      try {
        leader();
      } catch (...) {
        error = std::current_exception();
      }
      leading_ = false;
      over_ = true;
      ++ticket_;
    } else {
      serve();
    }
  }
  if (error) std::rethrow_exception(error);
}

void Team::share(const Job& job) {
  job_ = job;
  next_ = 0;
  busy_ = workers_;
  ++ticket_;
  work_on(job);
  wait_until([this] { return busy_ == 0; });
  if (failed_) std::rethrow_exception(error_);
}

void Team::work_on(const Job& job) {
  for (int piece = next_++; piece < job.pieces; piece = next_++) {
    try {
      job.call(job.state, piece);
    } catch (...) {
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
  }
}

void Team::serve() {
  for (unsigned seen = first_ticket_;;) {
    wait_until([&] { return ticket_ != seen; });
    ++seen;
    if (over_) return;
    work_on(job_);
    --busy_;
  }
}

}  // namespace vmoe
