#pragma once
// Reports for the tests of the page: made up, but of the shape that a study has.

#include "train/report/report.h"

namespace vmoe::testing {

/// Seven arms with three seeds each, `classes` classes in `experts` super-classes of neighbours, everything
/// filled in.
StudyReport sample_report(int classes, int experts);

/// The page's tags one after the other: whether each closes what is open, attributes are quoted, and no < or
/// bare & stands in text. Empty if it is well formed, else what is wrong and where.
std::string markup_fault(const std::string& page);

/// Values of all attributes of this name.
std::vector<std::string> attributes(const std::string& page, const std::string& name);

}  // namespace vmoe::testing
