#pragma once
// Each worker thread on a processor of its own, so that the system doesn't put two of them on one while
// another idles.

namespace vmoe {

/// Whether `pin_worker` may pin (--pin). Not at the start: beside other work a pinned thread cannot give way,
/// and the others wait for it (one busy loop beside two threads: 12 % slower, and nothing gained on an idle
/// machine of two processors). Call outside of parallel regions.
void allow_pinning(bool allowed);

/// Called by every thread of a parallel region at its start: thread `thread` of `threads`. Pins it to a
/// processor of its own if the region has as many threads as the machine has processors, and undoes that if
/// it has not. Fewer threads are left to the system: two programs would choose the same processors. So are
/// threads if the program may not use every processor, or if OpenMP was told where they belong
/// (OMP_PROC_BIND, OMP_PLACES, GOMP_CPU_AFFINITY, KMP_AFFINITY). Thread 0 is never pinned: threads that it
/// starts later would inherit its place, and with all others pinned one processor is left to it. Does nothing
/// where there is no sched_setaffinity, or where it fails.
void pin_worker(int thread, int threads);

}  // namespace vmoe
