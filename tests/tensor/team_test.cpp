#include "tensor/team.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace vmoe;

TEST_CASE("every piece runs exactly once, for any number of threads and pieces") {
  for (const int threads : {1, 2, 3, 4, 8}) {
    for (const int pieces : {0, 1, 2, 7, 100}) {
      CAPTURE(threads);
      CAPTURE(pieces);
      Team team(threads);
      std::vector<std::atomic<int>> runs(pieces);
      team.lead([&] { team.run(pieces, [&](int i) { ++runs[i]; }); });
      for (const auto& count : runs) CHECK(count == 1);
    }
  }
}

TEST_CASE("run returns when all pieces are done, so that the next run sees their results") {
  Team team(4);
  team.lead([&] {
    std::vector<int> numbers(64, 0);
    for (int round = 1; round <= 200; ++round) {
      team.run(64, [&](int i) { numbers[i] += numbers[i] == round - 1; });
      bool all = true;
      for (const int number : numbers) all &= number == round;
      REQUIRE(all);
    }
  });
}

TEST_CASE("a team can lead again, and outside of lead it works alone") {
  Team team(3);
  int alone = 0;
  team.run(5, [&](int) { ++alone; });
  CHECK(alone == 5);
  for (int round = 0; round < 3; ++round) {
    std::atomic<int> done{0};
    team.lead([&] { team.run(10, [&](int) { ++done; }); });
    CHECK(done == 10);
  }
}

TEST_CASE("denormal numbers are zero on every thread of a team") {
  for (const int threads : {1, 2, 4}) {
    CAPTURE(threads);
    Team team(threads);
    std::vector<float> halves(200, -1);
    const float smallest = std::numeric_limits<float>::min();
#pragma omp parallel num_threads(threads)
    std::fesetenv(FE_DFL_ENV);  // an earlier team may have set these threads
    team.lead([&] {
      team.run(200, [&](int i) {
        volatile float number = smallest;  // volatile: at run time, by the thread that runs the piece
        halves[i] = number / 2;
      });
    });
    CHECK(std::count(halves.begin(), halves.end(), 0.0f) == 200);
  }
}

TEST_CASE("a range is cut into pieces that begin at multiples of the unit and cover it once") {
  for (const int threads : {1, 2, 3}) {
    Team team(threads);
    for (const int64_t count : {1, 7, 8, 9, 64, 197}) {
      for (const int64_t unit : {1, 8, 300}) {
        std::vector<int> seen(count, 0);
        team.lead([&] {
          team.share_range(count, unit, [&](int64_t first, int64_t size) {
            CHECK_UNARY(first % unit == 0);
            CHECK_UNARY(size > 0);
            for (int64_t i = first; i < first + size; ++i) ++seen[i];
          });
        });
        for (const int times : seen) CHECK_UNARY(times == 1);
      }
    }
  }
}

TEST_CASE("an exception of a piece or of the leader comes out of lead, and the team goes on") {
  for (const int threads : {1, 4}) {
    CAPTURE(threads);
    Team team(threads);
    const auto failing_piece = [&] {
      team.run(20, [](int i) {
        if (i == 13) throw std::runtime_error("piece");
      });
    };
    CHECK_THROWS_WITH(team.lead(failing_piece), "piece");
    CHECK_THROWS_WITH(team.lead([] { throw std::runtime_error("leader"); }), "leader");
    std::atomic<int> done{0};
    team.lead([&] { team.run(10, [&](int) { ++done; }); });
    CHECK(done == 10);
  }
}
