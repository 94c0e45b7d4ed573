#pragma once
// Strict reading of JSON objects into configurations.

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace vmoe {

/// A value as it stands in an error message: JSON text on one line, at most 60 bytes of it; "a list", "an
/// object".
std::string shown(const nlohmann::ordered_json& value);

/// The names of an enumeration's values, in order from 0.
using EnumNames = std::span<const char* const>;

/// Reads an object key by key. Every `read` throws InputError "WHERE: ..." if the key is missing or has the
/// wrong type; `finish` throws it if the object holds a key that nobody read. Ranges are checked later by
/// `problem_with`.
class JsonFields {
 public:
  /// Throws InputError if `json` is not an object. Both must outlive this.
  JsonFields(const nlohmann::ordered_json& json, const std::string& where);

  void read(const char* key, int& value);
  void read(const char* key, double& value);
  void read(const char* key, bool& value);
  void read(const char* key, std::string& value);
  void read(const char* key, std::vector<int>& value);
  void read(const char* key, std::vector<double>& value);
  void read(const char* key, std::vector<std::string>& value);
  template <class Enum>
  void read(const char* key, Enum& value, EnumNames names) {
    value = static_cast<Enum>(read_name(key, names));
  }
  /// True if the object has this key: a key that files of earlier versions lack is asked for first.
  bool has(const char* key) const { return json_.contains(key); }
  /// An object inside the object.
  const nlohmann::ordered_json& object(const char* key);

  void finish() const;

 private:
  const nlohmann::ordered_json& at(const char* key);
  int read_name(const char* key, EnumNames names);
  [[noreturn]] void fail(const char* key, const nlohmann::ordered_json& value,
                         const std::string& expected) const;

  const nlohmann::ordered_json& json_;
  const std::string& where_;
  std::vector<std::string> known_;
};

}  // namespace vmoe
