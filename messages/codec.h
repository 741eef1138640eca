// msgpack without msgpack's headers: Writer appends values, Value reads a parsed tree. The library
// stays inside codec.cc, which keeps every other file quick to compile.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "messages/result.h"

namespace dfs {

// Raw bytes inside a body, encoded as msgpack bin (std::string is encoded as str).
struct Blob {
  std::string bytes;
  bool operator==(const Blob&) const = default;
};

// Appends msgpack values to a string. Never fails.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  void nil();
  void boolean(bool value);
  void uint(uint64_t value);
  void sint(int64_t value);
  void real(double value);
  void str(std::string_view value);
  void bin(std::string_view value);
  void array(size_t size);  // followed by `size` values
  void map(size_t size);    // followed by `size` pairs of key and value

 private:
  std::string& out_;
};

// A value inside a Document; valid as long as the document and the parsed bytes are. The as_…
// functions return false, and leave `out` alone, when the value has another type or does not fit.
class Value {
 public:
  Value() = default;
  explicit Value(const void* object) : object_(object) {}

  bool present() const { return object_ != nullptr; }
  bool is_nil() const;
  bool as_boolean(bool& out) const;
  bool as_uint(uint64_t& out) const;
  bool as_sint(int64_t& out) const;
  bool as_real(double& out) const;
  bool as_str(std::string_view& out) const;  // str or bin
  bool is_array() const;
  bool is_map() const;
  size_t size() const;  // elements of an array, pairs of a map, else 0
  Value at(size_t i) const;
  Value key_at(size_t i) const;
  Value value_at(size_t i) const;
  Value find(std::string_view key) const;  // in a map; absent when not there

  std::string to_json() const;

 private:
  const void* object_ = nullptr;
};

// A parsed msgpack value. Strings refer into `bytes`, which must outlive the document.
class Document {
 public:
  // Fails with `malformed` on anything but exactly one value within the limits of types.h.
  static Result<Document> parse(std::string_view bytes);
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();
  Value root() const;

 private:
  struct Tree;
  explicit Document(std::unique_ptr<Tree> tree);
  std::unique_ptr<Tree> tree_;
};

// `text` as a JSON string with quotes. Bytes that are not UTF-8 become \u00XX.
std::string json_quote(std::string_view text);

}  // namespace dfs
