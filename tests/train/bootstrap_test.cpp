// The interval of a difference, where the answer is known, and when it must be wider or empty.

#include "train/study/bootstrap.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/error.h"

using vmoe::Difference;
using vmoe::paired_difference;
using Hits = std::vector<uint8_t>;
using Models = std::vector<Hits>;

TEST_CASE("the bootstrap of a known difference has its mean and the quantiles of its binomial") {
  // 400 images: a is right where b is wrong on 100, and both are right on the others. A draw's mean is
  // Binomial(400, 1/4) / 400: deviation 2.165 points, and 1.96 of them are 4.24. Half a count either side is
  // 0.125, and 2000 draws leave the quantile open by 2.165 sqrt(0.025 0.975 / 2000) / 0.0584 = 0.13: 0.5 is
  // three times as much.
  Hits a(400, 1), b(400, 1);
  for (size_t i = 0; i < 100; ++i) b[4 * i] = 0;
  const Difference d = paired_difference(Models{a}, Models{b});
  CHECK(d.mean == 25);
  CHECK(std::abs(d.low - (25 - 4.24)) <= 0.5);
  CHECK(std::abs(d.high - (25 + 4.24)) <= 0.5);
  const Difference back = paired_difference(Models{b}, Models{a});
  CHECK(back.mean == -25);
  CHECK((back.low == -d.high && back.high == -d.low));
  CHECK((d.seeds == 1 && paired_difference(Models{a, b}, Models{b, a}).seeds == 2));
}

TEST_CASE("images on which both models agree do not widen the interval") {
  Hits a(400, 0);
  for (size_t i = 0; i < 200; ++i) a[i] = 1;
  const Difference same = paired_difference(Models{a}, Models{a});
  CHECK(same.mean == 0);
  CHECK((same.low == 0 && same.high == 0));
}

TEST_CASE("seeds that disagree widen the interval, those that agree do not") {
  // What one seed wins the other loses: of two draws of a seed a quarter is the first twice.
  const Hits zeros(50, 0), ones(50, 1);
  const Difference apart = paired_difference(Models{zeros, ones}, Models{ones, zeros});
  CHECK(apart.mean == 0);
  CHECK((apart.low == -100 && apart.high == 100));
  const Difference agreed = paired_difference(Models{ones, ones}, Models{zeros, zeros});
  CHECK((agreed.low == 100 && agreed.mean == 100 && agreed.high == 100));
}

TEST_CASE("an image is drawn with the models of all seeds") {
  // Every seed wins on the same quarter of the images: more seeds tell no more of other images.
  Hits a(400, 1), b(400, 1);
  for (size_t i = 0; i < 100; ++i) b[4 * i] = 0;
  const Difference d = paired_difference(Models{a, a, a}, Models{b, b, b});
  CHECK(d.mean == 25);
  CHECK(std::abs(d.low - (25 - 4.24)) <= 0.5);
  CHECK(std::abs(d.high - (25 + 4.24)) <= 0.5);
}

TEST_CASE("models that were not tested on the same images have no paired difference") {
  const Hits four(4, 1), five(5, 1);
  CHECK_THROWS_AS(paired_difference(Models{four}, Models{five}), vmoe::Error);
  CHECK_THROWS_AS(paired_difference(Models{four}, Models{four, four}), vmoe::Error);
  CHECK_THROWS_AS(paired_difference({}, {}), vmoe::Error);
}
