// Signals while a command has something to save, each case in a process of its own.

#include "cli/interrupt.h"

#include <doctest/doctest.h>
#include <signal.h>

#include "tests/support/child.h"

using vmoe::InterruptWatch;
using vmoe::testing::said_yes;
using vmoe::testing::status_of;

TEST_CASE("the first signal is remembered, the second ends the program, whichever of the two it is") {
  for (const int first : {SIGINT, SIGTERM}) {
    CHECK(said_yes(status_of([=] {
      const InterruptWatch watch;
      const bool before = watch.interrupted();
      raise(first);
      return !before && watch.interrupted();
    })));
    for (const int second : {SIGINT, SIGTERM}) {
      CAPTURE(first);
      CAPTURE(second);
      const int status = status_of([=] {
        const InterruptWatch watch;
        raise(first);
        raise(second);
        return true;
      });
      CHECK(WIFSIGNALED(status));
      CHECK(WTERMSIG(status) == second);
    }
  }
}

TEST_CASE("a signal that was ignored before stays so, and the other one is watched") {
  CHECK(said_yes(status_of([] {
    signal(SIGINT, SIG_IGN);
    const InterruptWatch watch;
    raise(SIGINT);
    const bool ignored = !watch.interrupted();
    raise(SIGTERM);
    raise(SIGINT);
    return ignored && watch.interrupted();
  })));
}

TEST_CASE("after a watch the signals do what they did before") {
  CHECK(said_yes(status_of([] {
    static volatile std::sig_atomic_t mine = 0;
    signal(SIGINT, [](int) { mine = 1; });
    { const InterruptWatch watch; }
    raise(SIGINT);
    return mine == 1;
  })));
}
