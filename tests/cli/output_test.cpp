// What people and programs see of results and of progress.

#include "cli/output.h"

#include <doctest/doctest.h>

#include <sstream>

#include "cli/progress_bar.h"
#include "cli/values.h"

using namespace vmoe;

namespace {

Progress moment() {
  Progress p;
  p.epoch = 2;
  p.epochs = 10;
  p.step = 45;
  p.steps = 300;
  p.loss = 1.2345;
  p.accuracy = 0.567;
  p.images_per_second = 1234;
  p.seconds_left = 185;
  return p;
}

}  // namespace

TEST_CASE("numbers are written for people") {
  CHECK(with_unit(0) == "0");
  CHECK(with_unit(999) == "999");
  CHECK(with_unit(1234) == "1.23 k");
  CHECK(with_unit(5.39e8) == "539 M");
  CHECK(with_unit(999999) == "1.00 M");
  CHECK(with_unit(9996) == "10.0 k");
  CHECK(with_unit(-12345) == "-12.3 k");
  CHECK(duration(3.2) == "3 s");
  CHECK(duration(125) == "2 min 05 s");
  CHECK(duration(4020) == "1 h 07 min");
  CHECK(duration(-1) == "0 s");
  CHECK(percent(0.12345) == "12.35 %");
  CHECK(to_text(100000) == "100000");
  CHECK(to_text(1e-5) == "1e-05");
  CHECK(to_text(0.1) == "0.1");
}

TEST_CASE("columns line up") {
  CHECK(columns({{"a", "1"}, {"long", "22"}}) == "a      1\nlong  22\n");
}

TEST_CASE("JSON output is valid whatever bytes a name holds") {
  std::ostringstream out;
  Json json = json_result();
  json["name"] = "caf\xe9";
  json["figure"] = 0.0 / std::stod("0");
  print_json(out, json);
  const Json back = Json::parse(out.str());
  CHECK(back["schema"] == 1);
  CHECK(back["name"] == "caf\xef\xbf\xbd");
  CHECK(back["figure"].is_null());
}

TEST_CASE("the progress bar says epoch, share, loss, accuracy, speed and time left in 80 columns") {
  const std::string bar = ProgressBar::bar(moment());
  CHECK(bar == "epoch 2/10 [=         ] 15 %  loss 1.234  acc 56.7 %  1234 img/s  3 min 05 s left");
}

TEST_CASE("on a terminal the bar is drawn over itself, and cut to the terminal's width") {
  std::ostringstream err;
  {
    ProgressBar bar(err, 30);
    bar.show(moment());
    CHECK(err.str() == "\r" + ProgressBar::bar(moment()).substr(0, 29));
    bar.show(moment());  // at once: not drawn again
    CHECK(err.str().size() == 30);
    bar.say("a line");
  }
  CHECK(err.str().ends_with("\r" + std::string(29, ' ') + "\ra line\n"));
}

TEST_CASE("off a terminal only epochs are reported, a line each") {
  std::ostringstream err;
  ProgressBar bar(err, 0);
  bar.show(moment());
  CHECK(err.str().empty());
  Progress end = moment();
  end.epoch_ended = true;
  end.holdout_accuracy = 0.5;
  end.holdout_loss = 1.5;
  bar.show(end);
  CHECK(err.str() ==
        "epoch 2/10  loss 1.2345  acc 56.70 %  hold-out acc 50.00 %  loss 1.5000  1234 img/s  3 min 05 s "
        "left\n");
}

TEST_CASE("off a terminal warnings wait until the run has made a step, but are never lost") {
  std::ostringstream err;
  {
    ProgressBar bar(err, 0);
    bar.warn("odd");
    bar.say("plan");
    CHECK(err.str() == "plan\n");
    bar.show(moment());
    CHECK(err.str() == "plan\nvmoe: warning: odd\n");
    bar.warn("str\x1b\nange");
  }
  CHECK(err.str() == "plan\nvmoe: warning: odd\nvmoe: warning: str??ange\n");
}
