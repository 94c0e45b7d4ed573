#pragma once
// Super-classes as a file: what `vmoe superclass` writes and `vmoe train --super-classes FILE` reads.
//   {"schema": 1, "experts": E, "classes": [K names], "super_class": [K integers in 0 .. E-1],
//    "names": [E names], "sizes": [E integers], "modularity": Q, "inside_share": s,
//    "random_inside_share": {"mean": m, "sd": d}}
// `names`, `sizes` and the figures may be missing in a file made by hand.

#include <string>
#include <vector>

#include "moe/super_classes.h"

namespace vmoe {

/// The file's text, indented, with a line end; bytes of names that are not UTF-8 become U+FFFD.
std::string super_classes_to_json(const SuperClasses& division);

/// Reads such a text (at most 4 MiB). `file` is for messages. InputError for anything that is not as above:
/// repeated keys, other schema, class count and labels that disagree, labels out of range, an empty
/// super-class, a class named twice, figures that are not finite numbers.
SuperClasses super_classes_from_json(const std::string& text, const std::string& file);

/// Requires that a division read from `file` is one of this data set's classes, same names in the same order
/// (InputError naming the first difference), with this many experts (UsageError naming both; 0 accepts any).
void require_division_of(const SuperClasses& division, const std::string& file,
                         const std::vector<std::string>& classes, int experts);

}  // namespace vmoe
