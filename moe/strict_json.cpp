#include "moe/strict_json.h"

#include <set>
#include <vector>

#include "tensor/error.h"

namespace vmoe {

namespace {

using nlohmann::ordered_json;

constexpr size_t kLongestText = 4 << 20;  // bytes
constexpr int kMaxDepth = 16;
constexpr size_t kMaxKeys = 1024;  // of one object: ordered_json finds a key by looking at all of them

/// A first pass over the text, which builds nothing. (The parser's own callback would do, but it searches an
/// array again at the end of every object in it.)
class Guard : public nlohmann::json_sax<ordered_json> {
 public:
  explicit Guard(const std::string& where) : where_(where) {}

  bool start_object(size_t) override {
    keys_.emplace_back();
    return enter();
  }
  bool end_object() override {
    keys_.pop_back();
    return leave();
  }
  bool start_array(size_t) override { return enter(); }
  bool end_array() override { return leave(); }

  bool key(std::string& key) override {
    if (keys_.back().size() == kMaxKeys) fail("an object of more than " + std::to_string(kMaxKeys) + " keys");
    if (!keys_.back().insert(key).second) fail("the key " + in_quotes(key) + " appears twice in one object");
    return true;
  }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(int64_t) override { return true; }
  bool number_unsigned(uint64_t) override { return true; }
  bool number_float(double, const std::string&) override { return true; }
  bool string(std::string&) override { return true; }
  bool binary(ordered_json::binary_t&) override { return true; }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& error) override {
    constexpr int kOutOfRange = 406;
    if (error.id == kOutOfRange) fail("it holds a number of more than 1.8e308");
    fail("not valid JSON at byte " + std::to_string(position));
  }

 private:
  bool enter() {
    if (++depth_ > kMaxDepth) fail("nested more than " + std::to_string(kMaxDepth) + " levels deep");
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }
  [[noreturn]] void fail(const std::string& what) const { throw InputError(where_ + ": " + what); }

  const std::string& where_;
  int depth_ = 0;                            // objects and arrays around the current place
  std::vector<std::set<std::string>> keys_;  // of the objects among them
};

}  // namespace

nlohmann::ordered_json parse_json(std::string_view text, const std::string& where) {
  if (text.size() > kLongestText) throw InputError(where + ": more than 4 MiB of JSON");
  Guard guard(where);
  ordered_json::sax_parse(text, &guard);
  return ordered_json::parse(text);
}

std::string in_quotes(std::string_view name) {
  constexpr size_t kLongest = 80;
  std::string text = "'";
  for (const char c : name.substr(0, kLongest)) {
    const bool control = static_cast<unsigned char>(c) < 32 || c == 127;
    text += control ? '?' : c;
  }
  return text + (name.size() > kLongest ? "...'" : "'");
}

}  // namespace vmoe
