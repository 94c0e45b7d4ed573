#include "train/report/report.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tensor/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/sample_report.h"
#include "train/atomic_file.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

const char* const kFigures[] = {"accuracy-flops", "accuracy-latency", "arms", "differences", "loss",
                                "holdout",        "confusion",        "heat", "examples"};

bool has(const std::string& page, const std::string& text) {
  return page.find(text) != std::string::npos;
}

size_t count(const std::string& page, const std::string& text) {
  size_t times = 0;
  for (size_t at = page.find(text); at != std::string::npos; at = page.find(text, at + 1)) ++times;
  return times;
}

/// The figure of this id, from tag to tag.
std::string figure(const std::string& page, const std::string& id) {
  const size_t from = page.find("<figure id=\"" + id + "\">");
  return from == std::string::npos ? "" : page.substr(from, page.find("</figure>", from) - from);
}

/// What must hold for every page, whatever is in it.
void check_page(const std::string& page) {
  CHECK(markup_fault(page) == "");
  for (const char* id : kFigures) {
    CAPTURE(id);
    CHECK(count(page, "id=\"" + std::string(id) + "\"") == 1);
  }
  for (const char* name : {"src", "href"})
    for (const std::string& address : attributes(page, name))
      CHECK_MESSAGE(address.starts_with("data:image/png;base64,"), address.substr(0, 80));
  for (const char* reference : {"http", "<script", "<link", "<iframe", "@import", "url("})
    CHECK(!has(page, reference));
  for (const char* nothing : {"nan", "inf\"", "inf "}) CHECK(!has(page, nothing));
}

}  // namespace

TEST_CASE("a report has every figure, and nothing that lies elsewhere") {
  for (const int classes : {10, 100}) {
    CAPTURE(classes);
    const StudyReport report = sample_report(classes, 5);
    const std::string page = report_page(report);
    check_page(page);
    CHECK(!has(page, "class=\"missing\""));
    for (const char* id : {"accuracy-flops", "accuracy-latency", "loss", "holdout", "confusion", "heat"})
      CHECK(has(figure(page, id), "<svg"));
    for (const char* id : {"accuracy-flops", "accuracy-latency"}) {
      // A marker, a label and error bars for each arm.
      CHECK(count(figure(page, id), "class=\"marker\"") == report.arms.size());
      CHECK(count(figure(page, id), "class=\"label\"") == report.arms.size());
      CHECK(count(figure(page, id), "class=\"bar\"") == 3 * report.arms.size());
    }
    CHECK(count(figure(page, "loss"), "class=\"curve\"") == report.arms.size());
    CHECK(count(figure(page, "loss"), "class=\"thin\"") == 3 * report.arms.size());
    CHECK(count(figure(page, "arms"), "<tr>") == 1 + report.arms.size());
    // On a phone, without the table's head, each cell says what it is; the intervals' axis has numbers.
    CHECK(count(figure(page, "arms"), "data-is=\"latency, ms\"") == report.arms.size());
    CHECK(count(figure(page, "differences"), ">+2</text>") == 1);
    CHECK(count(figure(page, "differences"), "<tr>") == 1 + report.differences.size());
    CHECK(count(figure(page, "examples"), "<img") == 5 * 8);
    CHECK(count(figure(page, "heat"), "class=\"frame\"") == 5);
    // Many classes are a picture with lines, few are drawn with their names.
    CHECK(count(figure(page, "confusion"), "<image") == (classes == 100 ? 1 : 0));
    CHECK(count(figure(page, "confusion"), "class=\"frame\"") == (classes == 100 ? 0 : 5));
    CHECK(report_page(report) == page);
  }
}

TEST_CASE("a report's figures are those it was given") {
  StudyReport report = sample_report(4, 2);
  report.arms.resize(2);
  report.arms[0].top1 = {0.5, 0.52};
  report.arms[1].top1 = {0.6};
  report.arms[1].params = 1234567;
  const std::string page = report_page(report), arms = figure(page, "arms");
  CHECK(has(arms, "51.00 ± 1.41 %"));  // the deviation is 0.02 / sqrt 2
  CHECK(has(arms, "60.00 %"));
  CHECK(has(arms, "1.23 M"));
  CHECK(has(page,
            "The most accurate of 2 arms is <strong>mobile</strong>: <strong>60.00 %</strong> (1 seed, "));
  CHECK(has(page,
            "<strong>mobile</strong> is better than <strong>dense</strong>: <strong>+2.71</strong> points"));
  const std::string differences = figure(page, "differences");
  CHECK(has(differences, "+2.71"));
  CHECK(has(differences, "+1.62 to +3.79"));
  CHECK(has(differences, "−0.81 to +1.36"));
  CHECK(count(differences, ">better than ") == 3);
  CHECK(count(differences, ">worse than ") == 1);
  CHECK(count(differences, ">not distinguishable from ") == 1);
}

TEST_CASE("a report's first sentences claim no more than its figures") {
  StudyReport report = sample_report(4, 2);
  report.arms.resize(3);
  for (ReportArm& arm : report.arms) arm.top1 = {0.6};
  report.differences[0].low = NAN;
  std::string page = report_page(report);
  CHECK(has(page,
            "The most accurate of 3 arms are <strong>dense</strong>, <strong>mobile</strong> and "
            "<strong>random super-classes</strong>, which are equal: <strong>60.00 %</strong>."));
  CHECK(has(page,
            "<strong>mobile</strong> has <strong>+2.71</strong> points of top-1 accuracy against "
            "<strong>dense</strong>, without an interval."));
  report.differences[0] = {"mobile", "dense", 0.2, -0.1, 0.5};
  report.arms.resize(1);
  page = report_page(report);
  CHECK(has(page, "<strong>mobile</strong> is not distinguishable from <strong>dense</strong>"));
  CHECK(has(page, "bootstrap over seeds and test images"));
  report.differences[0] = {"mobile", "dense", -2, -3, -1, 1};  // one seed: no verdict
  const std::string one = report_page(report);
  CHECK(
      has(one,
          "points of top-1 accuracy against <strong>dense</strong> in one seed (95 % interval over the test "
          "images alone: −3.00 to −1.00)"));
  CHECK(has(one, "are of one seed, and of the test images alone"));  // others are of several
  report.differences.resize(1);
  CHECK(
      has(report_page(report), "of one seed, with 95 % intervals by paired bootstrap over the test images"));
  CHECK(has(figure(one, "differences"), "<th>mobile<small>against dense"));
  CHECK(has(page, "<strong>dense</strong> reaches <strong>60.00 %</strong> (1 seed, 24.1 MFLOPs an image)."));
  report.arms[0].top1 = {NAN};
  CHECK(has(report_page(report), "No arm has finished yet."));
}

TEST_CASE("names in a report are text, whatever is in them") {
  const std::string evil = "<script>alert('a \"b\" & c')</script>";
  StudyReport report = sample_report(4, 2);
  report.title = report.data = report.recipe = report.version = evil;
  report.arms[0].name = report.arms[0].meaning = evil;
  report.differences[0].arm = report.differences[1].to = evil;
  for (std::string& name : report.classes) name = evil + "\x01";
  for (auto& images : report.examples) images[0].caption = "\" onerror=\"alert(1)";
  const std::string page = report_page(report);
  check_page(page);
  CHECK(!has(page, "alert('"));
  CHECK(!has(page, "onerror=\""));
  CHECK(has(page, "<title>&lt;script&gt;alert(&#39;a &quot;b&quot; &amp; c&#39;)&lt;/script&gt;</title>"));
}

TEST_CASE("what a study lacks is a sentence in its report, not a broken figure") {
  const std::string nothing = report_page({});
  check_page(nothing);
  CHECK(count(nothing, "class=\"missing\"") == std::size(kFigures));
  CHECK(!has(nothing, "<svg"));

  StudyReport dense = sample_report(10, 5);
  dense.arms.resize(1);
  dense.arms[0].top1.resize(1);
  dense.arms[0].curves.resize(1);
  dense.arms[0].p50_ms = dense.arms[0].p95_ms = NAN;
  dense.differences.clear();
  dense.super_class.clear();
  dense.heat.clear();
  dense.examples.clear();
  const std::string page = report_page(dense);
  check_page(page);
  for (const char* id : {"accuracy-latency", "differences", "heat", "examples"})
    CHECK(has(figure(page, id), "class=\"missing\""));
  for (const char* id : {"accuracy-flops", "arms", "loss", "holdout", "confusion"})
    CHECK(!has(figure(page, id), "class=\"missing\""));
  CHECK(!has(figure(page, "accuracy-flops"), "class=\"bar\""));  // one seed has no spread
  CHECK(!has(page, "inside super-classes"));

  StudyReport odd = sample_report(30, 3);
  for (ReportCurve& curve : odd.arms[0].curves) curve.holdout_top1.assign(curve.epoch.size(), NAN);
  odd.arms[1].top1 = {};
  odd.arms[2].top1 = {0, 0, 0};
  odd.arms[3].flops = 0;
  odd.differences[0] = {"mobile", "no arm of this name"};
  std::fill(odd.confusion.begin(), odd.confusion.end(), 0.0);
  odd.examples[1].clear();
  odd.examples[2][0].png = "not a picture";
  odd.super_class.assign(30, 2);
  check_page(report_page(odd));
}

TEST_CASE("a report of sizes that contradict each other says which") {
  const auto fails = [](auto change, const char* word) {
    StudyReport report = sample_report(4, 2);
    change(report);
    CHECK_THROWS_WITH_AS(report_page(report), doctest::Contains(word), ShapeError);
  };
  fails([](StudyReport& r) { r.confusion.pop_back(); }, "a confusion of 15 values for 4 classes");
  fails([](StudyReport& r) { r.heat.pop_back(); }, "a heat map of 7 values for 4 classes");
  fails([](StudyReport& r) { r.super_class.pop_back(); }, "3 super-classes for 4 classes");
  fails([](StudyReport& r) { r.super_class[0] = -1; }, "super-class -1");
  fails([](StudyReport& r) { r.arms[1].curves[2].epoch.pop_back(); }, "arm 'mobile', seed 3");
}

TEST_CASE("a report is written whole, and a folder that is not there is an error that names it") {
  const TemporaryFolder folder;
  const StudyReport report = sample_report(4, 2);
  write_report(folder / "report.html", report);
  CHECK(read_file(folder / "report.html", 1 << 24) == report_page(report));
  CHECK_THROWS_WITH_AS(write_report(folder / "none" / "report.html", report),
                       doctest::Contains("none/report.html"), IoError);
}

TEST_CASE("the check of a page's tags complains") {
  CHECK(markup_fault("<p>a &amp; b<br/><i title=\"x\">c</i></p>") == "");
  for (const char* page :
       {"<p>", "</p>", "<p><i></p></i>", "<p>a & b</p>", "<p>a < b</p>", "<p title=\"x>y</p>", "<p>&lt</p>"})
    CHECK_MESSAGE(markup_fault(page) != "", page);
}
