// One declaration per message. A message is a plain struct that lists its fields once:
//
//   struct Ping {
//     uint64_t nonce = 0;
//     using Reply = Pong;
//     const char* invalid() const { return nullptr; }
//     DFS_MESSAGE(Ping, nonce)
//   };
//
// Encoding, decoding and printing come from that list. On the wire a message is a msgpack map from
// field name to value: unknown keys are ignored, absent keys keep the default, a wrong type is
// `malformed`. invalid() says why values that decoded well are not acceptable, or returns nullptr.
#pragma once

#include <concepts>
#include <limits>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "messages/codec.h"
#include "messages/types.h"

#define DFS_PARENS ()
#define DFS_EXPAND(...) DFS_EXPAND3(DFS_EXPAND3(DFS_EXPAND3(__VA_ARGS__)))
#define DFS_EXPAND3(...) DFS_EXPAND2(DFS_EXPAND2(DFS_EXPAND2(__VA_ARGS__)))
#define DFS_EXPAND2(...) DFS_EXPAND1(DFS_EXPAND1(DFS_EXPAND1(__VA_ARGS__)))
#define DFS_EXPAND1(...) __VA_ARGS__
#define DFS_VISIT_EACH(field, ...) \
  visit(#field, self.field);       \
  __VA_OPT__(DFS_VISIT_AGAIN DFS_PARENS(__VA_ARGS__))
#define DFS_VISIT_AGAIN() DFS_VISIT_EACH

// Lists the fields of a struct that is part of a message.
#define DFS_FIELDS(...)                                                                   \
  template <class Self, class Visitor>                                                    \
  static void each_field([[maybe_unused]] Self& self, [[maybe_unused]] Visitor&& visit) { \
    __VA_OPT__(DFS_EXPAND(DFS_VISIT_EACH(__VA_ARGS__)))                                   \
  }

// Lists the fields of a message and ties it to its number.
#define DFS_MESSAGE(name, ...)                            \
  static constexpr ::dfs::Type kType = ::dfs::Type::name; \
  static constexpr const char* kName = #name;             \
  DFS_FIELDS(__VA_ARGS__)

namespace dfs {

namespace detail {
struct AnyVisitor {
  template <class T>
  void operator()(const char*, T&) const {}
};
}  // namespace detail

template <class T>
concept Fielded = requires(T& value) {
  T::each_field(value, detail::AnyVisitor{});
};

template <class T>
concept Message = Fielded<T> && requires {
  { T::kType } -> std::convertible_to<Type>;
};

template <class T>
concept Request = Message<T> && Message<typename T::Reply>;

template <class T>
void write_value(Writer& out, const T& value);
template <class T>
bool read_value(const Value& in, T& value);

namespace detail {

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <Fielded T>
void write_fields(Writer& out, const T& message) {
  size_t count = 0;
  T::each_field(message, [&](const char*, const auto&) { ++count; });
  out.map(count);
  T::each_field(message, [&](const char* name, const auto& field) {
    out.str(name);
    write_value(out, field);
  });
}

template <Fielded T>
bool read_fields(const Value& in, T& message) {
  if (!in.is_map()) return false;
  bool good = true;
  T::each_field(message, [&](const char* name, auto& field) {
    const Value value = good ? in.find(name) : Value();
    if (value.present() && !read_value(value, field)) good = false;
  });
  return good;
}

}  // namespace detail

template <class T>
void write_value(Writer& out, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    out.boolean(value);
  } else if constexpr (std::is_enum_v<T>) {
    out.uint(static_cast<uint64_t>(value));
  } else if constexpr (std::is_unsigned_v<T>) {
    out.uint(value);
  } else if constexpr (std::is_integral_v<T>) {
    out.sint(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    out.real(value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    out.str(value);
  } else if constexpr (std::is_same_v<T, Blob>) {
    out.bin(value.bytes);
  } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
    out.map(value.size());
    for (const auto& [key, text] : value) {
      out.str(key);
      out.str(text);
    }
  } else if constexpr (detail::IsVector<T>::value) {
    out.array(value.size());
    for (const auto& element : value) write_value(out, element);
  } else {
    detail::write_fields(out, value);
  }
}

template <class T>
bool read_value(const Value& in, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return in.as_boolean(value);
  } else if constexpr (std::is_enum_v<T>) {
    // Unknown values are kept: a newer peer may know more than we do.
    uint64_t number = 0;
    if (!in.as_uint(number)) return false;
    if (number > std::numeric_limits<std::underlying_type_t<T>>::max()) return false;
    value = static_cast<T>(number);
    return true;
  } else if constexpr (std::is_unsigned_v<T>) {
    uint64_t number = 0;
    if (!in.as_uint(number) || number > std::numeric_limits<T>::max()) return false;
    value = static_cast<T>(number);
    return true;
  } else if constexpr (std::is_integral_v<T>) {
    int64_t number = 0;
    if (!in.as_sint(number)) return false;
    if (number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max()) {
      return false;
    }
    value = static_cast<T>(number);
    return true;
  } else if constexpr (std::is_floating_point_v<T>) {
    double number = 0;
    if (!in.as_real(number)) return false;
    value = static_cast<T>(number);
    return true;
  } else if constexpr (std::is_same_v<T, std::string>) {
    std::string_view text;
    if (!in.as_str(text)) return false;
    value.assign(text);
    return true;
  } else if constexpr (std::is_same_v<T, Blob>) {
    std::string_view bytes;
    if (!in.as_str(bytes)) return false;
    value.bytes.assign(bytes);
    return true;
  } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
    if (!in.is_map() || in.size() > kBatchMax) return false;
    for (size_t i = 0; i < in.size(); ++i) {
      std::string_view key, text;
      if (!in.key_at(i).as_str(key) || !in.value_at(i).as_str(text)) return false;
      value.insert_or_assign(std::string(key), std::string(text));
    }
    return true;
  } else if constexpr (detail::IsVector<T>::value) {
    if (!in.is_array() || in.size() > kBatchMax) return false;
    value.clear();
    value.reserve(in.size());
    for (size_t i = 0; i < in.size(); ++i) {
      if (!read_value(in.at(i), value.emplace_back())) return false;
    }
    return true;
  } else {
    return detail::read_fields(in, value);
  }
}

// The msgpack body of a message (or of any struct with DFS_FIELDS).
template <Fielded T>
std::string encode(const T& message) {
  std::string out;
  Writer writer(out);
  detail::write_fields(writer, message);
  return out;
}

// Fails with `malformed` (bad bytes or types, or what invalid() says).
template <Fielded T>
Result<T> decode(std::string_view bytes) {
  if (bytes.size() > kBodyBytesMax) {
    return Result<T>(Code::too_large, "message body over 1 MiB");
  }
  auto document = Document::parse(bytes);
  if (!document) return std::move(document).error();
  T message;
  if (!detail::read_fields(document->root(), message)) {
    return Result<T>(Code::malformed, "a field of the message has the wrong type");
  }
  if constexpr (requires { message.invalid(); }) {
    if (const char* why = message.invalid()) return Result<T>(Code::malformed, why);
  }
  return message;
}

// One line of JSON, for logs, the event tap and --json.
template <Fielded T>
std::string to_json(const T& message) {
  const std::string bytes = encode(message);
  auto document = Document::parse(bytes);
  return document ? document->root().to_json() : "null";
}

// Field-wise equality, for tests and for change detection.
template <Fielded T>
bool same(const T& a, const T& b) {
  return encode(a) == encode(b);
}

}  // namespace dfs
