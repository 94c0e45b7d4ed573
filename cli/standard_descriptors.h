#pragma once
// Standard input, output and error of a program that was started without them.

namespace vmoe {

/// Opens /dev/null for those that are closed. Otherwise the next file that is opened would be one of them, and
/// what the program says would be written into it. To be called before any file is opened.
void open_standard_descriptors();

}  // namespace vmoe
