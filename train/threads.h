#pragma once
// How many threads a command has, and whether that makes sense.

#include <string>

namespace vmoe {

/// The number of threads that "0: one per core" stands for: the processors that the program may use.
int default_threads();
/// `asked`, or what 0 stands for.
int threads_or_default(int asked);
/// What to say of a number of threads that was asked for (0: none was): that it is more than the program may
/// use processors, or than the work has `lanes` (0: any number). Empty if it is neither.
std::string threads_warning(int threads, int lanes = 0);

}  // namespace vmoe
