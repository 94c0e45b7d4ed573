#pragma once
// Where the labels of a plot's points go.

#include <vector>

#include "train/report/svg.h"

namespace vmoe {

/// What a label stands beside.
struct LabelledPoint {
  Point at;
  double width = 0;  // of the label
};

/// Boxes for the labels, [points], each of its width and of `height`, inside `frame` (where it fits at all):
/// as near to its point as it can be without covering another label (a dozen labels find room in any plot),
/// and, next, without covering points or `obstacles`, or lines that lead to labels.
std::vector<Rectangle> place_labels(const std::vector<LabelledPoint>& points, double height,
                                    const Rectangle& frame, const std::vector<Rectangle>& obstacles = {});

}  // namespace vmoe
