#define MSGPACK_NO_BOOST
#include "messages/codec.h"

#include <cmath>
#include <cstdio>
#include <msgpack.hpp>
#include <vector>

#include "messages/types.h"

namespace dfs {
namespace {

// msgpack::packer writes to anything with write(); this one appends to a string.
struct Appender {
  std::string& out;
  void write(const char* data, size_t size) { out.append(data, size); }
};

template <class F>
void pack(std::string& out, F&& fill) {
  Appender appender{out};
  msgpack::packer<Appender> packer(appender);
  fill(packer);
}

const msgpack::object& object_of(const void* p) {
  return *static_cast<const msgpack::object*>(p);
}

}  // namespace

void Writer::nil() {
  pack(out_, [](auto& p) { p.pack_nil(); });
}
void Writer::boolean(bool value) {
  pack(out_, [=](auto& p) { value ? p.pack_true() : p.pack_false(); });
}
void Writer::uint(uint64_t value) {
  pack(out_, [=](auto& p) { p.pack_uint64(value); });
}
void Writer::sint(int64_t value) {
  pack(out_, [=](auto& p) { p.pack_int64(value); });
}
void Writer::real(double value) {
  pack(out_, [=](auto& p) { p.pack_double(value); });
}
void Writer::str(std::string_view value) {
  pack(out_, [=](auto& p) {
    p.pack_str(static_cast<uint32_t>(value.size()));
    p.pack_str_body(value.data(), static_cast<uint32_t>(value.size()));
  });
}
void Writer::bin(std::string_view value) {
  pack(out_, [=](auto& p) {
    p.pack_bin(static_cast<uint32_t>(value.size()));
    p.pack_bin_body(value.data(), static_cast<uint32_t>(value.size()));
  });
}
void Writer::array(size_t size) {
  pack(out_, [=](auto& p) { p.pack_array(static_cast<uint32_t>(size)); });
}
void Writer::map(size_t size) {
  pack(out_, [=](auto& p) { p.pack_map(static_cast<uint32_t>(size)); });
}

bool Value::is_nil() const {
  return object_ != nullptr && object_of(object_).type == msgpack::type::NIL;
}

bool Value::as_boolean(bool& out) const {
  if (object_ == nullptr || object_of(object_).type != msgpack::type::BOOLEAN) return false;
  out = object_of(object_).via.boolean;
  return true;
}

bool Value::as_uint(uint64_t& out) const {
  if (object_ == nullptr || object_of(object_).type != msgpack::type::POSITIVE_INTEGER) {
    return false;
  }
  out = object_of(object_).via.u64;
  return true;
}

bool Value::as_sint(int64_t& out) const {
  if (object_ == nullptr) return false;
  const auto& object = object_of(object_);
  if (object.type == msgpack::type::NEGATIVE_INTEGER) {
    out = object.via.i64;
    return true;
  }
  if (object.type == msgpack::type::POSITIVE_INTEGER && object.via.u64 <= INT64_MAX) {
    out = static_cast<int64_t>(object.via.u64);
    return true;
  }
  return false;
}

bool Value::as_real(double& out) const {
  if (object_ == nullptr) return false;
  const auto& object = object_of(object_);
  if (object.type != msgpack::type::FLOAT32 && object.type != msgpack::type::FLOAT64) return false;
  out = object.via.f64;
  return true;
}

bool Value::as_str(std::string_view& out) const {
  if (object_ == nullptr) return false;
  const auto& object = object_of(object_);
  if (object.type == msgpack::type::STR) {
    out = {object.via.str.ptr, object.via.str.size};
    return true;
  }
  if (object.type == msgpack::type::BIN) {
    out = {object.via.bin.ptr, object.via.bin.size};
    return true;
  }
  return false;
}

bool Value::is_array() const {
  return object_ != nullptr && object_of(object_).type == msgpack::type::ARRAY;
}

bool Value::is_map() const {
  return object_ != nullptr && object_of(object_).type == msgpack::type::MAP;
}

size_t Value::size() const {
  if (is_array()) return object_of(object_).via.array.size;
  if (is_map()) return object_of(object_).via.map.size;
  return 0;
}

Value Value::at(size_t i) const {
  return Value(&object_of(object_).via.array.ptr[i]);
}
Value Value::key_at(size_t i) const {
  return Value(&object_of(object_).via.map.ptr[i].key);
}
Value Value::value_at(size_t i) const {
  return Value(&object_of(object_).via.map.ptr[i].val);
}

Value Value::find(std::string_view key) const {
  if (!is_map()) return Value();
  const auto& map = object_of(object_).via.map;
  for (uint32_t i = 0; i < map.size; ++i) {
    const auto& k = map.ptr[i].key;
    if (k.type == msgpack::type::STR && std::string_view(k.via.str.ptr, k.via.str.size) == key) {
      return Value(&map.ptr[i].val);
    }
  }
  return Value();
}

std::string Value::to_json() const {
  if (!present() || is_nil()) return "null";
  std::string_view text;
  uint64_t u = 0;
  int64_t s = 0;
  double d = 0;
  bool b = false;
  if (as_boolean(b)) return b ? "true" : "false";
  if (as_uint(u)) return std::to_string(u);
  if (as_sint(s)) return std::to_string(s);
  if (as_real(d)) {
    if (!std::isfinite(d)) return "null";
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.6g", d);
    return buffer;
  }
  if (as_str(text)) return json_quote(text);
  std::string out = is_map() ? "{" : "[";
  for (size_t i = 0; i < size(); ++i) {
    if (i > 0) out += ",";
    if (is_map()) {
      std::string_view key;
      out += key_at(i).as_str(key) ? json_quote(key) : json_quote(key_at(i).to_json());
      out += ":" + value_at(i).to_json();
    } else {
      out += at(i).to_json();
    }
  }
  return out + (is_map() ? "}" : "]");
}

struct Document::Tree {
  msgpack::zone zone;
  msgpack::object root;

  // Trees that were used are used again, as several values are parsed for each message and most of
  // the cost would be to ask for the zone's memory.
  static std::vector<std::unique_ptr<Tree>>& spare() {
    static thread_local std::vector<std::unique_ptr<Tree>> trees;
    return trees;
  }
  static std::unique_ptr<Tree> take() {
    if (spare().empty()) return std::make_unique<Tree>();
    std::unique_ptr<Tree> tree = std::move(spare().back());
    spare().pop_back();
    return tree;
  }
  static void give_back(std::unique_ptr<Tree> tree) {
    if (spare().size() >= kSpareMax) return;
    tree->zone.clear();
    spare().push_back(std::move(tree));
  }

 private:
  static constexpr size_t kSpareMax = 4;
};

Document::Document(std::unique_ptr<Tree> tree) : tree_(std::move(tree)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() {
  if (tree_) Tree::give_back(std::move(tree_));
}
Value Document::root() const {
  return Value(&tree_->root);
}

Result<Document> Document::parse(std::string_view bytes) {
  static const msgpack::unpack_limit limit(64 * 1024, 64 * 1024, kBodyBytesMax, kBodyBytesMax, 0,
                                           kNestingMax);
  const auto refer = [](msgpack::type::object_type, size_t, void*) { return true; };
  try {
    Document document(Tree::take());
    size_t offset = 0;
    document.tree_->root = msgpack::unpack(document.tree_->zone, bytes.data(), bytes.size(), offset,
                                           +refer, nullptr, limit);
    if (offset != bytes.size()) {
      return Result<Document>(Code::malformed, "bytes follow the msgpack value");
    }
    return document;
  } catch (const std::exception& e) {
    return Result<Document>(Code::malformed, std::string("not valid msgpack: ") + e.what());
  }
}

namespace {

// Length of the well-formed UTF-8 sequence that starts at text[i], or 0.
size_t utf8_length(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[k]); };
  const unsigned char first = byte(i);
  const size_t length = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0 || i + length > text.size()) return 0;
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xc0) != 0x80) return 0;
  }
  if (length == 3 &&
      ((first == 0xe0 && byte(i + 1) < 0xa0) || (first == 0xed && byte(i + 1) > 0x9f)))
    return 0;
  if (length == 4 &&
      ((first == 0xf0 && byte(i + 1) < 0x90) || (first == 0xf4 && byte(i + 1) > 0x8f)))
    return 0;
  return length;
}

}  // namespace

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size();) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    const size_t length = utf8_length(text, i);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20 || c == 0x7f || length == 0) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out.append(text, i, length);
      i += length;
      continue;
    }
    ++i;
  }
  return out + "\"";
}

}  // namespace dfs
