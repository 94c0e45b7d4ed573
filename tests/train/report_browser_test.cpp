// A browser reads the report, where one is installed: what it makes of the page must be what was meant.

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/support/temporary_folder.h"
#include "tests/train/sample_report.h"
#include "train/report/report.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

struct Result {
  int status = -1;
  std::string output;  // standard output
};

Result run(const std::string& command) {
  Result result;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[65536];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) result.output.append(buffer, n);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
  return result;
}

/// The browser's name, or empty; VMOE_BROWSER names another one than those looked for.
std::string browser() {
  const char* named = std::getenv("VMOE_BROWSER");
  if (named != nullptr) return named;
  std::string name =
      run("for b in chromium chromium-browser google-chrome; do command -v $b && break; done").output;
  while (name.ends_with('\n')) name.pop_back();
  return name;
}

size_t count(const std::string& page, const std::string& text) {
  size_t times = 0;
  for (size_t at = page.find(text); at != std::string::npos; at = page.find(text, at + 1)) ++times;
  return times;
}

}  // namespace

TEST_CASE(
    "a browser shows the report: all figures are there, all pictures decode, nothing is loaded or run") {
  const std::string program = browser();
  if (program.empty()) {
    MESSAGE("skipped: chromium is not installed");
    return;
  }
  const TemporaryFolder folder;
  StudyReport report = sample_report(30, 5);
  report.classes[0] = "<script>document.title='run'</script>";
  write_report(folder / "report.html", report);
  // The page is shown in a frame of one that asks it for what went wrong, and writes the answers down.
  const std::string probe =
      "<body><iframe id='f' src='report.html'></iframe><p id='answer'></p><script>"
      "const f = document.getElementById('f');"
      "f.onload = () => { const d = f.contentDocument, w = f.contentWindow;"
      "const images = [...d.images], pictures = d.querySelectorAll('svg image');"
      "document.getElementById('answer').textContent = 'title ' + d.title + '; figures ' +"
      " d.querySelectorAll('figure').length + '; broken ' + images.filter(i => !i.naturalWidth).length +"
      " ' of ' + images.length + '; pictures ' + pictures.length +"
      " '; scripts ' + d.scripts.length + '; loaded ' + w.performance.getEntriesByType('resource')"
      ".filter(r => !r.name.startsWith('data:')).length +"
      " '; wide ' + (d.documentElement.scrollWidth > d.documentElement.clientWidth) + ';'; };"
      "</script></body>";
  FILE* file = std::fopen((folder / "probe.html").c_str(), "w");
  REQUIRE(file != nullptr);
  std::fputs(probe.c_str(), file);
  std::fclose(file);
  const std::string where = folder.path().string();
  // Browsers stumble for reasons of their own: the page is judged by the first answer that one gives.
  Result result;
  size_t from = std::string::npos;
  for (int tries = 0; tries < 3 && from == std::string::npos; ++tries) {
    result =
        run("cd '" + where + "' && HOME='" + where + "' timeout 300 '" + program +
            "' --headless --no-sandbox --disable-gpu --allow-file-access-from-files --user-data-dir='" +
            where + "/profile" + std::to_string(tries) + "' --virtual-time-budget=20000 --dump-dom 'file://" +
            where + "/probe.html' 2>'" + where + "/log'");
    from = result.output.find("title ");
  }
  CAPTURE(result.status);
  const std::string answer = from == std::string::npos ? result.output : result.output.substr(from, 300);
  CAPTURE(answer);
  CHECK(count(answer, "title Mobile V-MoE on made-up images;") == 1);
  CHECK(count(answer, "figures 9;") == 1);
  CHECK(count(answer, "broken 0 of 40;") == 1);
  CHECK(count(answer, "pictures 1;") == 1);
  CHECK(count(answer, "scripts 0;") == 1);
  CHECK(count(answer, "loaded 0;") == 1);
  CHECK(count(answer, "wide false;") == 1);  // on 300 pixels nothing sticks out
}
