#include "tensor/team.h"

#include <omp.h>

#include "tensor/kernels/kernels.h"
#include "tensor/pin.h"
#include "tensor/waiting.h"

namespace vmoe {

namespace {

constexpr int kYields =
    1000;  // jobs follow each other within microseconds: waking a sleeper would take longer

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
    pin_worker(omp_get_thread_num(), omp_get_num_threads());
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
      ticket_.notify_all();
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
  ticket_.notify_all();
  work_on(job);
  for (int left; (left = busy_) != 0;) wait_while(busy_, left, kYields);
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
    wait_while(ticket_, seen, kYields);
    ++seen;
    if (over_) return;
    work_on(job_);
    if (--busy_ == 0) busy_.notify_all();
  }
}

}  // namespace vmoe
