// Runs that stop, are killed or changed, and go on.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tensor/kernels/tables.h"
#include "tensor/random.h"
#include "tests/cli/runs.h"
#include "tests/support/temporary_folder.h"
#include "train/atomic_file.h"

using namespace vmoe::testing;
namespace fs = std::filesystem;

TEST_CASE("a run says which augmentation it has, and is resumed with the same one only") {
  const TemporaryFolder folder;
  const std::string plain = (folder / "plain").string(), augmented = (folder / "augmented").string();
  const std::vector<std::string> flags = {"--rand-augment-ops", "2",   "--rand-augment-magnitude", "7",
                                          "--random-erasing",   "0.25"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), flags.begin(), flags.end());
    return more;
  };
  succeed(train_command(plain, {"--max-steps", "1"}));
  succeed(train_command(augmented, with({"--max-steps", "1"})));
  const Json off = Json::parse(bytes_of(fs::path(plain) / "config.json")),
             on = Json::parse(bytes_of(fs::path(augmented) / "config.json"));
  // Off is not written, so that runs made before there was such a setting can be resumed.
  for (const char* key : {"rand-augment-ops", "rand-augment-magnitude", "random-erasing"}) {
    CHECK(off.dump().find(key) == std::string::npos);
    CHECK(on.dump().find(key) != std::string::npos);
  }
  CHECK(bytes_of(fs::path(plain) / "last.safetensors") != bytes_of(fs::path(augmented) / "last.safetensors"));
  succeed(train_command(plain, {"--resume"}));
  succeed(train_command(augmented, with({"--resume"})));
  const Outcome added = vmoe::testing::vmoe(train_command(plain, with({"--resume"})));
  CHECK(
      (added.code == 2 && added.err.find("rand-augment-ops is 2, but the run has none") < added.err.size()));
  const Outcome left_out = vmoe::testing::vmoe(train_command(augmented, {"--resume"}));
  CHECK((left_out.code == 2 && left_out.err.find("the run has rand-augment-ops 2") < left_out.err.size()));
}

TEST_CASE("a folder that holds a run needs --resume or --overwrite") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run));
  const std::string before = bytes_of(folder / "run" / "last.safetensors");
  const Outcome refused = vmoe::testing::vmoe(train_command(run));
  CHECK(refused.code == 2);
  CHECK(refused.err.find("--resume") != std::string::npos);
  CHECK(bytes_of(folder / "run" / "last.safetensors") == before);
  succeed(train_command(run, {"--overwrite"}));
  succeed(train_command(run, {"--resume"}));  // finished: nothing to do
  CHECK(bytes_of(folder / "run" / "last.safetensors") == before);
}

TEST_CASE("a resumed run ends in the same bytes as one that never stopped, with other threads too") {
  // The balance loss of a step takes the load of the one before, which may be another call's.
  const std::vector<std::vector<std::string>> routings = {
      {"--router", "image", "--super-classes", "coarse", "--moe-layers", "last:1"},
      {"--router", "image", "--experts", "3", "--balance-weight", "2"},
      {"--router", "token", "--experts", "3", "--balance-weight", "2", "--top-k", "2", "--renormalise"}};
  for (const auto& routing : routings) {
    CAPTURE(routing[3]);
    const TemporaryFolder folder;
    const auto command = [&](const char* name, std::vector<std::string> more) {
      more.insert(more.end(), routing.begin(), routing.end());
      more.insert(more.end(), {"--dropout", "0.1", "--mixup", "0.2", "--ema", "0.9"});
      return train_command((folder / name).string(), more);
    };
    succeed(command("whole", {"--threads", "1"}));
    succeed(command("parts", {"--max-steps", "2", "--threads", "2"}));
    succeed(command("parts", {"--max-steps", "7", "--threads", "3", "--resume"}));
    succeed(command("parts", {"--threads", "2", "--resume"}));
    check_same_run(folder / "whole", folder / "parts");
  }
}

TEST_CASE("a run of an earlier version, whose settings lack later keys, is resumed") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string(), whole = (folder / "whole").string();
  const std::vector<std::string> moe = {"--router", "image", "--super-classes", "coarse"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), moe.begin(), moe.end());
    return more;
  };
  succeed(train_command(whole, with({})));
  succeed(train_command(run, with({"--max-steps", "4"})));
  // Blanks of the same number leave every offset as it is.
  const fs::path state = folder / "run" / "last.state.safetensors";
  std::string bytes = bytes_of(state);
  for (const std::string key : {R"(\"renormalise\":false,)", R"(\"shared_expert\":false,)",
                                R"(,\"balance_weight\":0.0)", R"(,\"expert_load\":[])"}) {
    CAPTURE(key);
    const size_t at = bytes.find(key);
    REQUIRE(at != std::string::npos);
    bytes.replace(at, key.size(), std::string(key.size(), ' '));
  }
  // The list of a router's sums was one object for all routers together; a list for other routers is an
  // error.
  const std::string key = R"(\"routing\":[)";
  const size_t begin = bytes.find(key) + key.size(), end = bytes.find("}]", begin) + 1;
  REQUIRE(begin < end);
  std::string broken = bytes;
  broken.replace(begin, end - begin, std::string(end - begin, ' '));
  std::ofstream(state, std::ios::binary) << broken;
  const Outcome refused = vmoe::testing::vmoe(train_command(run, with({"--resume"})));
  CHECK(refused.code == 3);
  CHECK(refused.err.find("'routing' must be a list of 1, one for each decision") != std::string::npos);
  bytes[begin - 1] = bytes[end] = ' ';
  std::ofstream(state, std::ios::binary) << bytes;
  succeed(train_command(run, with({"--resume"})));
  CHECK(bytes_of(folder / "run" / "last.safetensors") == bytes_of(folder / "whole" / "last.safetensors"));
}

TEST_CASE("a run that is resumed with another setting is refused, and its files stay") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run, {"--max-steps", "4"}));
  const std::string before = bytes_of(folder / "run" / "last.state.safetensors");
  const Outcome refused = vmoe::testing::vmoe(train_command(run, {"--resume", "--lr", "0.5"}));
  CHECK(refused.code == 2);
  CHECK(refused.err.find("lr") != std::string::npos);
  CHECK(bytes_of(folder / "run" / "last.state.safetensors") == before);
}

TEST_CASE("what differs from the run is named, also within the model") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run, {"--max-steps", "1"}));
  const auto refusal = [&](const std::vector<std::string>& more) {
    std::vector<std::string> flags = {"--resume"};
    flags.insert(flags.end(), more.begin(), more.end());
    const Outcome outcome = vmoe::testing::vmoe(train_command(run, flags));
    CHECK(outcome.code == 2);
    return outcome.err;
  };
  CHECK(refusal({"--mlp-dim", "32"}).find("mlp_dim is 32, but the run has 16") != std::string::npos);
  CHECK(refusal({"--holdout", "0.4"}).find("holdout is 0.4, but the run has 0.1") != std::string::npos);
  CHECK(refusal({"--isa", "plain"}).find("not \"plain\"; give --isa ") != std::string::npos);
}

TEST_CASE("a run in bf16 says so, is resumed to the same bytes, and never in another precision") {
  const TemporaryFolder folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const std::vector<std::string> bf16 = {"--isa", "plain", "--precision", "bf16"};
  const auto with = [&](std::vector<std::string> flags) {
    flags.insert(flags.end(), bf16.begin(), bf16.end());
    return flags;
  };
  const Outcome whole = succeed(train_command(path("whole"), bf16));
  CHECK(whole.err.find(" threads, bf16") != std::string::npos);
  const Json settings = Json::parse(bytes_of(folder / "whole" / "config.json"));
  CHECK(settings["precision"] == "bf16");
  CHECK(settings["precision-isa"] == "plain");

  succeed(train_command(path("parts"), with({"--max-steps", "7", "--threads", "1"})));
  const Outcome refused = vmoe::testing::vmoe(train_command(path("parts"), {"--resume", "--isa", "plain"}));
  CHECK(refused.code == 2);
  CHECK(refused.err.find("precision is \"fp32\", but the run has \"bf16\"") != std::string::npos);
  succeed(train_command(path("parts"), with({"--resume", "--threads", "3"})));
  check_same_run(folder / "whole", folder / "parts");

  std::ofstream(folder / "recipe.toml") << "precision = \"bf16\"\nisa = \"plain\"\n";
  succeed(train_command(path("recipe"), {"-c", path("recipe.toml")}));
  check_same_run(folder / "whole", folder / "recipe");

  succeed(train_command(path("full"), {"--isa", "plain"}));
  CHECK(bytes_of(folder / "full" / "last.safetensors") != bytes_of(folder / "whole" / "last.safetensors"));
  const Outcome narrower = vmoe::testing::vmoe(train_command(path("full"), with({"--resume"})));
  CHECK(narrower.err.find("precision is \"bf16\", but the run has \"fp32\"") != std::string::npos);
}

TEST_CASE("a run from before there was a choice of precision was in fp32, and is resumed") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  const fs::path file = folder / "run" / "last.state.safetensors";
  succeed(train_command(run, {"--max-steps", "1", "--isa", "plain"}));
  std::string state = bytes_of(file);
  const std::string entries = R"(,\"precision\":\"fp32\",\"precision-isa\":\"none\")";
  const size_t at = state.find(entries);
  REQUIRE(at != std::string::npos);
  state.replace(at, entries.size(), std::string(entries.size(), ' '));
  std::ofstream(file, std::ios::binary) << state;
  const Outcome refused = vmoe::testing::vmoe(
      train_command(run, {"--max-steps", "2", "--resume", "--isa", "plain", "--precision", "bf16"}));
  CHECK(refused.err.find("precision is \"bf16\", but the run has \"fp32\"") != std::string::npos);
  succeed(train_command(run, {"--max-steps", "2", "--resume", "--isa", "plain"}));
}

TEST_CASE("a run remembers what computed its weight gradients, and is not continued by another library") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  const fs::path file = folder / "run" / "last.state.safetensors";
  const std::vector<std::string> on = {"--resume", "--isa", "plain"};
  succeed(train_command(run, {"--max-steps", "1", "--isa", "plain"}));
  const std::string state = bytes_of(file), entry = R"(,\"weight-gradients\":\"own\")";
  const size_t at = state.find(entry);
  REQUIRE(at != std::string::npos);
  const auto write = [&](const std::string& other) {
    std::ofstream(file, std::ios::binary) << std::string(state).replace(at, entry.size(), other);
  };
  write(R"(,\"weight-gradients\":\"Zen\")");
  const Outcome refused = vmoe::testing::vmoe(train_command(run, on));
  CHECK(refused.code == 2);
  CHECK(refused.err.find("computed by \"Zen\", here they are by \"own\"") != std::string::npos);
  write(std::string(entry.size(), ' '));  // of an earlier program
  succeed(train_command(run, on));
}

TEST_CASE("a run remembers which instruction set auto became, and another machine's auto is refused") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run, {"--max-steps", "1"}));
  const std::string widest = vmoe::available_kernels().back()->name;
  CHECK(Json::parse(bytes_of(folder / "run" / "config.json"))["isa"] == widest);
  succeed(train_command(run, {"--max-steps", "2", "--resume", "--isa", widest}));
  succeed(train_command(run, {"--max-steps", "3", "--resume", "--isa", "auto"}));
  // As a narrower machine left it.
  succeed(train_command(run, {"--max-steps", "1", "--overwrite", "--isa", "plain"}));
  const Outcome refused = vmoe::testing::vmoe(train_command(run, {"--resume"}));
  CHECK(refused.code == 2);
  CHECK(refused.err.find("instruction set \"plain\", not \"" + widest + "\"; give --isa plain") !=
        std::string::npos);
}

TEST_CASE("a run whose state is lost is not begun anew over its models") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run, {"--epochs", "3"}));
  const std::string metrics = bytes_of(folder / "run/metrics.jsonl");
  fs::remove(folder / "run/last.state.safetensors");
  const Outcome refused = vmoe::testing::vmoe(train_command(run, {"--epochs", "3", "--resume"}));
  CHECK(refused.code == 2);
  CHECK(refused.err.find("last.state.safetensors' is missing") != std::string::npos);
  CHECK(bytes_of(folder / "run/metrics.jsonl") == metrics);
  succeed(train_command(run, {"--epochs", "3", "--overwrite"}));
}

TEST_CASE("a damaged line costs a resumed run that line of its log and no other") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run, {"--epochs", "3", "--max-steps", "8"}));
  const fs::path log = folder / "run/metrics.jsonl";
  std::string text = bytes_of(log);
  const auto lines = [](const std::string& t) { return std::count(t.begin(), t.end(), '\n'); };
  REQUIRE(lines(text) > 3);
  text[text.find('\n') + 1] = '#';
  std::ofstream(log, std::ios::binary) << text;
  fs::remove(folder / "run/summary.csv");
  const Outcome went_on = succeed(train_command(run, {"--epochs", "3", "--max-steps", "9", "--resume"}));
  CHECK(bytes_of(log).substr(0, text.size()) == text);
  CHECK(went_on.err.find("metrics.jsonl': of the run so far, lines damaged or missing: 1\n") !=
        std::string::npos);
  CHECK(went_on.err.find("summary.csv': ") != std::string::npos);
}

TEST_CASE("a run is resumed though its data are spelt in another way") {
  const TemporaryFolder folder;
  const std::string data = (folder / "pictures").string(), run = (folder / "run").string();
  for (const char* name : {"train/a", "train/b"})
    succeed({"data", kTinyData, "--export", data + "/" + name, "--count", "4"});
  std::vector<std::string> command = train_command(run, {"--max-steps", "1"});
  command[1] = data;
  succeed(command);
  command[1] = data + "/../pictures/";
  command.back() = "2";
  command.push_back("--resume");
  succeed(command);
}

TEST_CASE("a state or a log that is none ends a resumed run in one line") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  succeed(train_command(run.string(), {"--epochs", "1", "--max-steps", "1"}));  // of 5
  const auto resume = [&] {
    return vmoe::testing::vmoe(train_command(run.string(), {"--epochs", "1", "--resume"}));
  };
  const std::string state = bytes_of(run / "last.state.safetensors");
  for (const char* settings : {"[]", "null", "7", "{}"}) {
    CAPTURE(settings);
    const std::string entry =
        std::string(R"({"__metadata__":{"vmoe":"{\"schema\":1,\"state\":{},\"settings\":)") + settings +
        "}\"}}";
    std::ofstream(run / "last.state.safetensors", std::ios::binary)
        << static_cast<char>(entry.size()) << std::string(7, '\0') << entry;
    const Outcome outcome = resume();
    CHECK((outcome.code == 2 || outcome.code == 3));
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  }
  // One key, or one number, of a state that is whole.
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = state;
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    std::ofstream(run / "last.state.safetensors", std::ios::binary) << text;
    const Outcome outcome = resume();
    CAPTURE(outcome.err);
    CHECK((outcome.code == 2 || outcome.code == 3));
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
    return outcome.err;
  };
  changed("\\\"isa\\\":", "\\\"isb\\\":");
  CHECK(changed("\\\"vit\\\":", "\\\"wit\\\":").find("last.state.safetensors'") != std::string::npos);
  CHECK(changed("\\\"step\\\":1", "\\\"step\\\":9").find("'step' is 9, the run has 5") != std::string::npos);
  CHECK(changed("\\\"best_accuracy\\\":0.0", "\\\"best_accuracy\\\":7.0").find("'best_accuracy'") !=
        std::string::npos);
  CHECK(changed(state.substr(state.size() - 4), "\xff\xff\xff\xff").find("not finite") != std::string::npos);
  std::ofstream(run / "last.state.safetensors", std::ios::binary) << state;
  fs::remove(run / "metrics.jsonl");
  REQUIRE(mkfifo((run / "metrics.jsonl").c_str(), 0600) == 0);
  const Outcome outcome = resume();
  CHECK(outcome.code == 3);
  CHECK(outcome.err.find("metrics.jsonl': it is a pipe") != std::string::npos);
}

TEST_CASE("class names and paths that are not UTF-8 can be trained on, evaluated and resumed") {
  const TemporaryFolder folder;
  const std::string data = (folder / "\xe4").string(), run = (folder / "run").string();
  for (const char* name : {"train/a", "train/b\xff"})
    succeed({"data", kTinyData, "--export", data + "/" + name, "--count", "4"});
  std::vector<std::string> command = train_command(run, {"--max-steps", "1"});
  command[1] = data;
  succeed(command);
  command.push_back("--resume");
  succeed(command);
  CHECK(json_of({"eval", run, data, "--split", "train"})["n"] == 6);
}

TEST_CASE("an image that breaks in the middle of training is named, and the run's files stay") {
  const TemporaryFolder folder;
  const std::string data = (folder / "data").string(), run = (folder / "run").string();
  for (const char* name : {"train/a", "train/b"})
    succeed({"data", kTinyData, "--export", data + "/" + name, "--count", "16"});
  std::vector<std::string> command = train_command(run, {"--max-steps", "4"});
  command[1] = data;
  succeed(command);
  const std::string before = bytes_of(folder / "run" / "last.state.safetensors");
  fs::path last;
  for (const auto& file : fs::directory_iterator(folder / "data" / "train" / "b")) last = file.path();
  std::string png = bytes_of(last);
  png[png.size() / 2] ^= 0x55;  // in the pixels: the header is good
  std::ofstream(last, std::ios::binary) << png;
  command.pop_back();
  command.back() = "--resume";
  const Outcome outcome = vmoe::testing::vmoe(command);
  CHECK(outcome.code == 3);
  CHECK(outcome.err.find(last.string() + ", byte ") != std::string::npos);
  CHECK(bytes_of(folder / "run" / "last.state.safetensors") == before);
}

TEST_CASE("--resume without a checkpoint starts from the beginning") {
  const TemporaryFolder folder;
  succeed(train_command((folder / "a").string()));
  succeed(train_command((folder / "b").string(), {"--resume"}));
  check_same_run(folder / "a", folder / "b");
}

TEST_CASE("a run that was killed at any moment goes on to the same bytes") {
  const TemporaryFolder folder;
  const std::vector<std::string> settings = {"--save-every", "0", "--threads", "1"};
  succeed(train_command((folder / "whole").string(), settings));
  std::vector<std::string> again = settings;
  again.push_back("--resume");
  const auto command = train_command((folder / "killed").string(), again);
  vmoe::Random random(5, vmoe::Stream::test);
  for (int i = 0; i < 6; ++i) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) _exit(vmoe::testing::vmoe(command).code);
    usleep(1000 * (2 + random.below(60)));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
  }
  succeed(command);
  check_same_run(folder / "whole", folder / "killed");
}

TEST_CASE("Ctrl-C ends a run with a whole checkpoint and exit code 130, and it can be continued") {
  const TemporaryFolder folder;
  const std::vector<std::string> settings = {"--threads", "1", "--epochs", "100"};
  succeed(train_command((folder / "whole").string(), settings));
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    signal(SIGINT, SIG_DFL);  // not the test framework's handler
    std::thread([] {
      struct sigaction now {};
      do sigaction(SIGINT, nullptr, &now);
      while (now.sa_handler == SIG_DFL);  // until the run listens
      kill(getpid(), SIGINT);
    }).detach();
    _exit(vmoe::testing::vmoe(train_command((folder / "stopped").string(), settings)).code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 130);
  auto again = settings;
  again.push_back("--resume");
  succeed(train_command((folder / "stopped").string(), again));
  check_same_run(folder / "whole", folder / "stopped");
}

TEST_CASE(
    "a disk that fills up at any moment of a run leaves whole files, and the run goes on to the same bytes") {
  const TemporaryFolder folder;
  const std::vector<std::string> settings = {"--epochs", "2", "--threads", "1"};
  succeed(train_command((folder / "whole").string(), settings));
  std::vector<std::string> again = settings;
  again.push_back("--resume");
  const auto command = train_command((folder / "full").string(), again);
  int code = 4;
  for (int writes = 0; code != 0; writes += 7) {
    int left = writes;
    vmoe::set_file_fault(
        [&](vmoe::FileCall call) { return call == vmoe::FileCall::write && left-- <= 0 ? ENOSPC : 0; });
    const Outcome outcome = vmoe::testing::vmoe(command);
    vmoe::set_file_fault({});
    code = outcome.code;
    CHECK((code == 0 || (code == 4 && outcome.err.find("the disk is full") != std::string::npos)));
    for (const auto& file : fs::directory_iterator(folder / "full")) {
      CHECK(file.path().extension() != ".tmp");
      if (file.path().string().ends_with("t.safetensors")) succeed({"info", file.path().string()});
    }
  }
  check_same_run(folder / "whole", folder / "full");
}
