#include "train/confusion_picture.h"

#include <doctest/doctest.h>

#include <array>
#include <numeric>

using namespace vmoe;

namespace {

using Colour = std::array<int, 3>;

constexpr Colour kWhite = {255, 255, 255}, kBlue = {38, 104, 178}, kDarkBlue = {8, 29, 74},
                 kGrey = {205, 205, 205}, kOrange = {232, 119, 34};

Colour at(const Picture& picture, int x, int y) {
  const uint8_t* pixel = picture.view().row(y) + 3 * x;
  return {pixel[0], pixel[1], pixel[2]};
}

SuperClasses division_of(std::vector<int> super_class, int experts) {
  SuperClasses division;
  division.experts = experts;
  division.super_class = std::move(super_class);
  for (size_t i = 0; i < division.super_class.size(); ++i) division.classes.push_back(std::to_string(i));
  return division;
}

}  // namespace

TEST_CASE("a confusion matrix is drawn by super-classes, darker where more images of the row are") {
  // Classes 0 and 2 belong together, 1 and 3, too: the order is 0, 2, 1, 3. Nobody has seen an image of 3.
  const std::vector<double> confusion = {75, 0, 25, 0, 0, 10, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0};
  const Picture picture = draw_confusion(confusion, division_of({0, 1, 0, 1}, 2));
  // Lines of 2 pixels before, between and after two groups of two cells of 40.
  CHECK((picture.width == 166 && picture.height == 166));
  REQUIRE(picture.pixels.size() == 166 * 166 * 3);
  const auto cell = [&](int row, int column) {
    const auto middle = [](int i) { return 2 + 40 * i + (i >= 2 ? 2 : 0) + 20; };
    return at(picture, middle(column), middle(row));
  };
  CHECK(cell(0, 1) == kBlue);      // 25 of class 0's 100 images are called 2
  CHECK(cell(1, 2) == kDarkBlue);  // all images of 2 are called 1
  CHECK(cell(2, 2) == kDarkBlue);
  CHECK(cell(1, 0) == kWhite);
  for (int column = 0; column < 4; ++column) CHECK(cell(3, column) == kWhite);
  // Both squares have a frame, beyond it lines go on in grey.
  for (const int corner : {0, 1, 82, 83, 164, 165}) CHECK(at(picture, corner, corner) == kOrange);
  CHECK(at(picture, 82, 20) == kOrange);
  CHECK(at(picture, 20, 82) == kOrange);
  CHECK(at(picture, 82, 120) == kOrange);
  CHECK(at(picture, 0, 120) == kGrey);
  CHECK(at(picture, 120, 0) == kGrey);
  CHECK(at(picture, 2, 84) == kWhite);
}

TEST_CASE("a picture of many classes has small cells, and lines between them all the same") {
  for (const auto& [count, cell, line] : {std::array{1, 40, 2}, {100, 12, 2}, {500, 2, 1}, {2000, 1, 1}}) {
    const int classes = count;  // CAPTURE is a lambda, and takes no structured binding
    CAPTURE(classes);
    std::vector<int> halves(static_cast<size_t>(classes), 0);
    const int experts = classes > 1 ? 2 : 1;
    for (int i = classes / 2; i < classes && experts == 2; ++i) halves[static_cast<size_t>(i)] = 1;
    const std::vector<double> confusion(static_cast<size_t>(classes) * classes, 1.0);
    const Picture picture = draw_confusion(confusion, division_of(halves, experts));
    CHECK(picture.width == classes * cell + (experts + 1) * line);
  }
}

TEST_CASE("a confusion matrix of other classes is not drawn") {
  const SuperClasses division = division_of({0, 1, 0}, 2);
  CHECK_THROWS_WITH_AS(draw_confusion(std::vector<double>(4, 1.0), division), doctest::Contains("3 classes"),
                       ShapeError);
  CHECK_THROWS_AS(draw_confusion({}, SuperClasses{}), ShapeError);
}
