#pragma once
// The commands of the program, one file each.

#include "cli/program.h"
#include "tensor/error.h"

namespace vmoe {

/// Each reads its own arguments (those behind the command's name), prints its help if they ask for it, throws
/// Error, and returns how it ended.
ExitCode train_command(Arguments arguments, Streams& streams);
ExitCode plan_command(Arguments arguments, Streams& streams);
ExitCode eval_command(Arguments arguments, Streams& streams);
ExitCode predict_command(Arguments arguments, Streams& streams);
ExitCode superclass_command(Arguments arguments, Streams& streams);
ExitCode upcycle_command(Arguments arguments, Streams& streams);
ExitCode routes_command(Arguments arguments, Streams& streams);
ExitCode study_command(Arguments arguments, Streams& streams);
ExitCode info_command(Arguments arguments, Streams& streams);
ExitCode data_command(Arguments arguments, Streams& streams);
ExitCode bench_command(Arguments arguments, Streams& streams);

}  // namespace vmoe
