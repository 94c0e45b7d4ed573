#include "tests/tools/source_checks.h"

#include <doctest/doctest.h>

#include "tests/tools/repository.h"

using namespace vmoe::checks;

namespace {

const std::vector<std::string> kLibrary = {"tensor", "autograd", "nn", "moe", "data", "train", "cli"};

std::vector<std::string> with_tests(std::vector<std::string> folders) {
  for (size_t i = 0, count = folders.size(); i < count; ++i) folders.push_back("tests/" + folders[i]);
  return folders;
}

void require_none(const Complaints& complaints) {
  for (const std::string& complaint : complaints) FAIL_CHECK(complaint);
}

}  // namespace

TEST_CASE("includes run only down the list of folders") {
  size_t checked = 0;
  for (const std::string& file : source_files(with_tests(kLibrary))) {
    require_none(check_includes(file, read_text(repository() / file)));
    ++checked;
  }
  CHECK(checked > 20);
}

TEST_CASE("a folder that does not exist is not taken for one without faults") {
  CHECK_THROWS_AS(source_files({"tensor", "tensr"}), std::filesystem::filesystem_error);
}

TEST_CASE("the include check complains about a planted violation") {
  auto complaints = [](const std::string& path, const std::string& line) {
    return check_includes(path, line).size();
  };
  CHECK(complaints("tensor/a.h", "#include \"autograd/tape.h\"\n") == 1);
  CHECK(complaints("data/idx.cpp", "#include \"nn/vit.h\"\n") == 1);
  CHECK(complaints("data/idx.cpp", "#include \"autograd/tape.h\"\n") == 1);
  CHECK(complaints("moe/router.cpp", "#include \"data/image.h\"\n") == 1);
  CHECK(complaints("train/trainer.cpp", "#include \"cli/main.h\"\n") == 1);
  CHECK(complaints("tests/tensor/a_test.cpp", "#include \"nn/vit.h\"\n") == 1);
  CHECK(complaints("nn/vit.cpp", "#include \"tests/support/compare.h\"\n") == 1);
  CHECK(complaints("nn/vit.cpp", "#include \"vit.h\"\n") == 1);
  CHECK(complaints("nn/vit.cpp", "#include \"../tensor/tensor.h\"\n") == 1);
  CHECK(complaints("nn/vit.cpp", "  #  include \"unknown/x.h\"\n#include \"cli/y.h\"\n") == 2);

  CHECK(complaints("train/trainer.cpp",
                   "#include \"tensor/a.h\"\n#include \"data/b.h\"\n#include \"moe/c.h\"\n") == 0);
  CHECK(complaints("tests/nn/vit_test.cpp",
                   "#include \"tests/support/compare.h\"\n#include \"nn/vit.h\"\n") == 0);
  CHECK(complaints("tensor/a.h",
                   "// #include \"nn/vit.h\"\n/* \n#include \"nn/vit.h\" */\n#include <vector>\n") == 0);

  CHECK(check_includes("tensor/a.h", "\n\n#include \"nn/vit.h\"\n") ==
        Complaints{"tensor/a.h:3: tensor may not include nn/vit.h"});
}

TEST_CASE("only the fast kernels use elementary functions other than ours") {
  for (const std::string& file : source_files(kLibrary)) {
    if (!is_exempt_from_elementary_check(file)) {
      require_none(check_elementary_functions(file, read_text(repository() / file)));
    }
  }
}

TEST_CASE("the elementary function check complains about a planted violation") {
  auto complaints = [](const std::string& line) { return check_elementary_functions("a.cpp", line).size(); };
  CHECK(complaints("y = std::exp(x);") == 1);
  CHECK(complaints("y = ::expf(x);") == 1);
  CHECK(complaints("y = exp(x);") == 1);
  CHECK(complaints("return log(x);") == 1);
  CHECK(complaints("f(pow (x, 2) + tanh(y) * std::erf(z));") == 3);
  CHECK(complaints("y = my_math::sin(x);") == 1);
  CHECK(complaints("y = x\n  - cosf(x);") == 1);

  CHECK(complaints("y = math::exp(x) + vmoe::math::log(x);") == 0);
  CHECK(complaints("y = std::sqrt(x) + std::floor(x) + std::ldexp(x, 2);") == 0);
  CHECK(complaints("log_softmax(x); softmax.exp(x); table->log(x);") == 0);
  CHECK(complaints("double exp(double x);") == 0);
  CHECK(complaints("std::ofstream log(path);") == 0);
  CHECK(complaints("// y = exp(x)\nputs(\"exp(x)\"); /* std::log(x) */") == 0);

  CHECK(check_elementary_functions("a.cpp", "// one\n\ny = exp(x);\n").at(0).starts_with("a.cpp:3: exp()"));
}

TEST_CASE("no expression draws two random numbers, whose order the compiler would choose") {
  for (const std::string& file : source_files(kLibrary)) {
    require_none(check_order_of_draws(file, read_text(repository() / file)));
  }
}

TEST_CASE("the order of draws check complains about a planted violation") {
  auto complaints = [](const std::string& line) { return check_order_of_draws("a.cpp", line).size(); };
  CHECK(complaints("f(random.uniform(), random.uniform(0, 1));") == 1);
  CHECK(complaints("y = random.below(3) +\n  random.below(4) * random.bits();") == 2);

  CHECK(complaints("a = random.bits(); b = random.bits();") == 0);
  CHECK(complaints("y = random.below(2) ? random.uniform() : 0;") == 0);
  CHECK(complaints("// f(random.bits(), random.bits())\nwhile (random.below(2)) { random.bits(); }") == 0);

  CHECK(check_order_of_draws("a.cpp", "f(random.bits(),\n  random.bits());")
            .at(0)
            .starts_with("a.cpp:2: a second"));
}

TEST_CASE("no loop goes over items() of a value that is gone") {
  std::vector<std::string> folders = with_tests(kLibrary);
  folders.push_back("bench");
  for (const std::string& file : source_files(folders)) {
    require_none(check_loops_over_items(file, read_text(repository() / file)));
  }
}

TEST_CASE("the check of loops over items() complains about a planted violation") {
  auto complaints = [](const std::string& line) { return check_loops_over_items("a.cpp", line).size(); };
  CHECK(complaints("for (const auto& [k, v] : json.flatten().items()) use(k, v);") == 1);
  CHECK(complaints("for (auto& x : parse(text)\n  .items()) {}") == 1);
  CHECK(complaints("for (const auto& [k, v] : json.items()) use(f(k).items());") == 0);
  CHECK(complaints("for (size_t i = 0; i < f(x).items(); ++i) {}") == 0);
}

TEST_CASE("the signature's code is exempt from nothing but where its functions are made") {
  CHECK(is_exempt_from_elementary_check("tensor/kernels/vector_rows.h"));
  CHECK(is_exempt_from_elementary_check("tensor/math.cpp"));
  CHECK_FALSE(is_exempt_from_elementary_check("tensor/kernels/plain.cpp"));
  CHECK_FALSE(is_exempt_from_elementary_check("train/schedule.cpp"));
}

TEST_CASE("every op has a row in the op table") {
  std::vector<std::string> ops;
  for (const std::string& file : source_files({"autograd"})) {
    if (!file.ends_with(".h")) continue;
    const std::vector<std::string> declared = declared_ops(read_text(repository() / file));
    ops.insert(ops.end(), declared.begin(), declared.end());
  }
  CHECK(ops.size() >= 31);
  std::string table;
  for (const std::string& file : source_files({"tests/autograd"})) {
    if (file.starts_with("tests/autograd/op_")) table += read_text(repository() / file);
  }
  for (const std::string& op : ops_without_row(ops, table)) FAIL_CHECK("no row in the op table: " << op);
}

TEST_CASE("the op table check finds a missing row") {
  const std::string header =
      "Var add(Tape& tape, Var a,\n        Var b);\n// Var old(Tape& tape);\nVar scale(Tape& t);\n";
  CHECK(declared_ops(header) == std::vector<std::string>{"add", "scale"});
  CHECK(ops_without_row({"add", "scale"}, "row(\"add\"); // \"scale\"\nrow(\"scale_images\")") ==
        std::vector<std::string>{"scale"});
  CHECK(ops_without_row({"add", "scale"}, "\"scale\", \"add\"").empty());
}

TEST_CASE("stripping leaves code, and knows strings from comments") {
  CHECK(strip("a /* b \n c */ d // e\nf") == "a \n d \nf");
  CHECK(strip("s = \"// no comment \\\" still\"; t") == "s = \"\"; t");
  CHECK(strip("n = 1'000'000; c = '\"'; d") == "n = 1'000'000; c = ''; d");
  CHECK(strip("r = R\"x(\" // )\" )x\"; e") == "r = R\"\"; e");
  CHECK(strip("s = \"/* text */\"; // gone", true) == "s = \"/* text */\"; ");
}
