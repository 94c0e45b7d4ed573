#include "tensor/hash.h"

#include <doctest/doctest.h>

using namespace vmoe;

namespace {

template <typename Value>
std::string digits(const Value& value) {
  Hash hash;
  hash.add(value);
  return hash.digits();
}

}  // namespace

TEST_CASE("the hash gives FNV-1a's known answers") {
  CHECK(Hash().digits() == "cbf29ce484222325");
  Hash a, foobar;
  a.add("a", 1);
  foobar.add("foo", 3);
  foobar.add("bar", 3);
  CHECK(a.digits() == "af63dc4c8601ec8c");
  CHECK(foobar.digits() == "85944171f73967e8");
  CHECK(a.value() == 0xaf63dc4c8601ec8c);
}

TEST_CASE("texts are hashed with their end, numbers from their lowest byte up") {
  Hash bytes;
  bytes.add("ab\0", 3);
  CHECK(digits(std::string("ab")) == bytes.digits());

  Hash low;
  low.add("\x02\x01\0\0\0\0\0\0", 8);
  CHECK(digits(int64_t{0x0102}) == low.digits());

  Hash one;  // 1.0f is 0x3f800000
  one.add("\0\0\x80\x3f", 4);
  CHECK(digits(1.0f) == one.digits());
}
