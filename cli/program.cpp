#include "cli/program.h"

#include <algorithm>
#include <new>
#include <ostream>

#include "cli/commands.h"
#include "tensor/matmul.h"
#include "train/suggest.h"
#include "train/version.h"

namespace vmoe {
namespace {

struct Command {
  const char* name;
  const char* summary;
  ExitCode (*run)(Arguments, Streams&);
};

constexpr Command kCommands[] = {
    {"train", "train a model on a data set", train_command},
    {"plan", "say what a training run will need: memory, time, disk", plan_command},
    {"eval", "measure how good a model is", eval_command},
    {"predict", "say what is on pictures", predict_command},
    {"superclass", "divide classes among experts by what a baseline confuses", superclass_command},
    {"upcycle", "make a mixture of experts from a trained dense model", upcycle_command},
    {"routes", "say which images go to which expert", routes_command},
    {"study", "train the arms of an experiment with one budget and compare them", study_command},
    {"info", "parameters, FLOPs and layers of a model; how this program was built", info_command},
    {"data", "say what a data set holds and which files are broken", data_command},
    {"bench", "measure the speed of training and inference", bench_command},
};

std::vector<std::string> command_names() {
  std::vector<std::string> names = {"help"};
  for (const Command& command : kCommands) names.push_back(command.name);
  return names;
}

void print_overview(std::ostream& out) {
  out << "Trains vision transformers and vision mixtures of experts on CPUs, and predicts with them.\n\n"
         "  vmoe train synthetic --epochs 3 --output runs/first\n"
         "  vmoe eval runs/first synthetic\n"
         "  vmoe predict runs/first picture.png\n\n"
         "Commands (vmoe COMMAND --help shows more)\n";
  for (const Command& command : kCommands) {
    const std::string name = command.name;
    out << "  " << name << std::string(12 - name.size(), ' ') << command.summary << '\n';
  }
  out << "  help        the same as --help: vmoe help COMMAND\n\n"
         "Flags\n"
         "  --help      this page\n"
         "  --version   version of the program\n\n"
      << kExitCodes;
}

const Command& find_command(const std::string& name) {
  for (const Command& command : kCommands) {
    if (name == command.name) return command;
  }
  throw UsageError("unknown command '" + printable(name) + "'" + did_you_mean(name, command_names()) +
                   " (vmoe --help lists them)");
}

ExitCode dispatch(Arguments arguments, Streams& streams) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    print_overview(streams.out);
    return ExitCode::done;
  }
  if (arguments[0] == "--version") {
    streams.out << "vmoe " << code_version() << '\n';
    return ExitCode::done;
  }
  if (arguments[0] == "help") {
    if (arguments.size() == 1 || arguments[1] == "help") return dispatch({}, streams);
    const std::vector<std::string> help = {"--help"};
    return find_command(arguments[1]).run(help, streams);
  }
  if (arguments[0].starts_with('-')) {
    const std::vector<std::string> known = {"--help", "--version"};
    throw UsageError("unknown flag '" + printable(arguments[0]) + "'" + did_you_mean(arguments[0], known) +
                     " (a command comes first, such as: vmoe train synthetic)");
  }
  return find_command(arguments[0]).run(arguments.subspan(1), streams);
}

ExitCode fail(Streams& streams, ExitCode code, const std::string& line) {
  complain(streams.err, line);
  return code;
}

}  // namespace

void complain(std::ostream& err, std::string line) {
  std::replace_if(line.begin(), line.end(), is_control, '?');
  err << "vmoe: " << line << std::endl;
}

void warn(std::ostream& err, const std::string& line) {
  complain(err, "warning: " + line);
}

int run_program(Arguments arguments, Streams& streams) {
  ExitCode code = ExitCode::internal;
  try {
    hold_blas_to_one_thread();
    code = dispatch(arguments, streams);
    streams.out.flush();
    if (!streams.out) throw IoError("cannot write to standard output; is the disk full, or the reader gone?");
  } catch (const Error& error) {
    code = fail(streams, error.code(), error.what());
  } catch (const std::bad_alloc&) {
    code = fail(streams, ExitCode::internal,
                "out of memory; a smaller model, --batch-size or --threads needs less");
  } catch (const std::exception& error) {
    code = fail(streams, ExitCode::internal, std::string("internal error: ") + error.what());
  }
  return static_cast<int>(code);
}

}  // namespace vmoe
