#include "train/suggest.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tensor/random.h"

using namespace vmoe;

namespace {

const std::vector<std::string> kFlags = {"--epochs",        "--lr",    "--batch-size", "--save-every",
                                         "--warmup-epochs", "--top-k", "--seed",       "--threads",
                                         "--mixup",         "--cutmix"};

std::string random_word(Random& random, int longest) {
  std::string word(random.below(longest + 1), ' ');
  for (char& c : word) c = static_cast<char>('a' + random.below(3));
  return word;
}

}  // namespace

TEST_CASE("edit distance counts insertions, deletions, replacements and swaps of neighbours") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("", "ab") == 2);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("abcd", "acbd") == 1);
  CHECK(edit_distance("ab", "ba") == 1);
  CHECK(edit_distance("ca", "abc") == 3);  // the restricted distance; the unrestricted one is 2
  CHECK(edit_distance("epoch", "epochs") == 1);
}

TEST_CASE("edit distance is symmetric, at least the difference in length, and 0 for equal words only") {
  Random random(3, Stream::test);
  for (int i = 0; i < 300; ++i) {
    const std::string a = random_word(random, 7), b = random_word(random, 7);
    CAPTURE(a);
    CAPTURE(b);
    const int d = edit_distance(a, b);
    CHECK(d == edit_distance(b, a));
    CHECK((d == 0) == (a == b));
    CHECK(d >= std::abs(static_cast<int>(a.size()) - static_cast<int>(b.size())));
    CHECK(d <= static_cast<int>(std::max(a.size(), b.size())));
    CHECK(edit_distance(a + "z", b + "z") == d);
  }
}

TEST_CASE("the nearest flag is found for usual slips") {
  CHECK(nearest("--epoch", kFlags) == "--epochs");
  CHECK(nearest("--epcohs", kFlags) == "--epochs");
  CHECK(nearest("-epochs", kFlags) == "--epochs");
  CHECK(nearest("--Epochs", kFlags) == "--epochs");
  CHECK(nearest("--batch_size", kFlags) == "--batch-size");
  CHECK(nearest("--batch", kFlags) == "--batch-size");
  CHECK(nearest("--bathc-size", kFlags) == "--batch-size");
  CHECK(nearest("--thread", kFlags) == "--threads");
  CHECK(nearest("--mixpu", kFlags) == "--mixup");
}

TEST_CASE("what resembles nothing gets no suggestion") {
  CHECK(nearest("--colour", kFlags).empty());
  CHECK(nearest("--x", kFlags).empty());
  CHECK(nearest("", kFlags).empty());
  CHECK(nearest("---", kFlags).empty());
  CHECK(nearest(std::string(1 << 20, 'e'), kFlags).empty());
  CHECK(nearest("--epochs", std::vector<std::string>{}).empty());
}

TEST_CASE("a third of the letters may be wrong, not more") {
  CHECK(nearest("abcdxy", std::vector<std::string>{"abcdef"}) == "abcdef");
  CHECK(nearest("abcxyz", std::vector<std::string>{"abcdef"}).empty());
}

TEST_CASE("of equally near names the first wins") {
  CHECK(nearest("bat", std::vector<std::string>{"cat", "hat", "mat"}) == "cat");
}

TEST_CASE("a suggestion ends an error line") {
  CHECK("unknown flag '--epoch'" + did_you_mean("--epoch", kFlags) ==
        "unknown flag '--epoch'; did you mean '--epochs'?");
  CHECK(did_you_mean("--colour", kFlags).empty());
}
