// What a broken or malicious peer may send. The rule: `malformed` or `too_large`, never a crash,
// and never more memory than the limits of types.h allow.
#include <doctest/doctest.h>

#include <functional>

#include "tests/messages/samples.h"

namespace dfs {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;  // key and value, both encoded

template <class T>
std::string value_bytes(const T& value) {
  std::string bytes;
  Writer writer(bytes);
  write_value(writer, value);
  return bytes;
}

std::string key_bytes(const std::string& name) {
  return value_bytes(name);
}

template <class T>
Pairs pairs_of(const T& message) {
  Pairs pairs;
  T::each_field(message, [&](const char* name, const auto& field) {
    pairs.emplace_back(key_bytes(name), value_bytes(field));
  });
  return pairs;
}

std::string map_of(const Pairs& pairs) {
  std::string bytes;
  Writer(bytes).map(pairs.size());
  for (const auto& [key, value] : pairs) bytes += key + value;
  return bytes;
}

// Values that no field of type T accepts.
template <class T>
std::vector<std::string> wrong_values() {
  const std::string nil(1, '\xc0'), extension("\xd4\x01\x00", 3), minus_one(1, '\xff');
  std::vector<std::string> wrong = {nil, extension, value_bytes(0.5)};
  if constexpr (std::is_same_v<T, bool>) {
    wrong.insert(wrong.end(), {value_bytes(1u), value_bytes(std::string("true"))});
  } else if constexpr (std::is_unsigned_v<T> || std::is_enum_v<T>) {
    wrong.insert(wrong.end(), {minus_one, value_bytes(true), value_bytes(std::string("1"))});
    if constexpr (sizeof(T) < 8) wrong.push_back(value_bytes(uint64_t{1} << (8 * sizeof(T))));
  } else if constexpr (std::is_integral_v<T>) {
    wrong.insert(wrong.end(), {value_bytes(UINT64_MAX), value_bytes(true)});
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, Blob>) {
    wrong.insert(wrong.end(), {value_bytes(1u), std::string(1, '\x90')});
  } else if constexpr (detail::IsVector<T>::value) {
    wrong.insert(wrong.end(), {std::string(1, '\x80'), value_bytes(std::string("list")),
                               std::string("\x91\xc0", 2)});  // [nil]
  } else {
    wrong.insert(wrong.end(), {std::string(1, '\x90'), value_bytes(7u)});
  }
  return wrong;
}

}  // namespace

TEST_SUITE("messages") {
  TEST_CASE("a message cut short anywhere is malformed") {
    samples::for_each_message([]<class T>() {
      const std::string whole = encode(samples::sample<T>());
      for (size_t size = 0; size < whole.size(); ++size) {
        const auto result = decode<T>(std::string_view(whole.data(), size));
        CHECK_MESSAGE(result.code() == Code::malformed, T::kName << " cut at " << size);
      }
    });
  }

  TEST_CASE("a header cut short anywhere is malformed") {
    const std::string whole = encode_header(samples::header());
    for (size_t size = 0; size < whole.size(); ++size) {
      CHECK(decode_header(std::string_view(whole.data(), size)).code() == Code::malformed);
    }
  }

  TEST_CASE("a message with any one byte changed decodes to something or fails, never worse") {
    samples::for_each_message([]<class T>() {
      const std::string whole = encode(samples::sample<T>());
      size_t decoded = 0;
      for (size_t i = 0; i < whole.size(); ++i) {
        std::string damaged = whole;
        for (const int change : {0x01, 0x10, 0x80, 0xff}) {
          damaged[i] = static_cast<char>(whole[i] ^ change);
          auto result = decode<T>(damaged);
          CHECK((result.ok() || result.code() == Code::malformed));
          if (result) decoded += to_json(*result).size();
        }
      }
      CHECK((whole.size() < 2 || decoded > 0));
    });
  }

  TEST_CASE("bytes behind a message are malformed") {
    samples::for_each_message([]<class T>() {
      CHECK(decode<T>(encode(samples::sample<T>()) + '\0').code() == Code::malformed);
    });
  }

  TEST_CASE("a field of the wrong type is malformed, whichever field and whichever type") {
    samples::for_each_message([]<class T>() {
      const T sample = samples::sample<T>();
      const Pairs good = pairs_of(sample);
      size_t i = 0;
      T::each_field(sample, [&]<class F>(const char* name, const F&) {
        for (const std::string& wrong : wrong_values<std::remove_const_t<F>>()) {
          Pairs pairs = good;
          pairs[i].second = wrong;
          CHECK_MESSAGE(decode<T>(map_of(pairs)).code() == Code::malformed,
                        T::kName << "." << name);
        }
        ++i;
      });
    });
  }

  TEST_CASE("a body that is no map is malformed") {
    for (const std::string& body :
         {value_bytes(7u), value_bytes(std::string("x")), std::string(1, '\x90'),
          std::string(1, '\xc0'), value_bytes(true)}) {
      CHECK(decode<Ping>(body).code() == Code::malformed);
    }
  }

  TEST_CASE("unknown keys are ignored, of whatever type the key and the value are") {
    samples::for_each_message([]<class T>() {
      Pairs pairs = pairs_of(samples::sample<T>());
      pairs.insert(pairs.begin(), {key_bytes("a_field_of_tomorrow"), std::string("\x92\x01\xc0")});
      pairs.emplace_back(value_bytes(7u), value_bytes(true));
      pairs.emplace_back(std::string(1, '\xc0'), std::string(1, '\xc0'));
      const auto result = decode<T>(map_of(pairs));
      REQUIRE_MESSAGE(result, T::kName);
      CHECK(same(*result, samples::sample<T>()));
    });
  }

  TEST_CASE("a key that is absent leaves the default") {
    samples::for_each_message([]<class T>() {
      const T sample = samples::sample<T>();
      const Pairs good = pairs_of(sample);
      for (size_t i = 0; i < good.size(); ++i) {
        CAPTURE(T::kName);
        CAPTURE(good[i].first);
        Pairs pairs = good;
        pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(i));
        Pairs expected = good;
        expected[i].second = pairs_of(T{})[i].second;
        const auto absent = decode<T>(map_of(pairs));
        const auto explicit_default = decode<T>(map_of(expected));
        REQUIRE(absent.code() == explicit_default.code());
        if (absent) CHECK(same(*absent, *explicit_default));
        if (!absent) CHECK(absent.error().text == explicit_default.error().text);
      }
    });
  }

  TEST_CASE("of a key that comes twice the first counts") {
    const std::string body =
        map_of({{key_bytes("nonce"), value_bytes(1u)}, {key_bytes("nonce"), value_bytes(2u)}});
    const auto ping = decode<Ping>(body);
    REQUIRE(ping);
    CHECK(ping->nonce == 1);
  }

  TEST_CASE("unknown values of an enum are kept") {
    NodeView node = samples::node();
    node.state = static_cast<NodeState>(250);
    const auto back = decode<NodeView>(encode(node));
    REQUIRE(back);
    CHECK(static_cast<int>(back->state) == 250);
    Header header = samples::header();
    header.type = static_cast<Type>(65'535);
    const auto header_back = decode_header(encode_header(header));
    REQUIRE(header_back);
    CHECK(header_back->type == static_cast<Type>(65'535));
  }

  TEST_CASE("a claim of a huge length is malformed and takes no memory") {
    const std::string claims[] = {
        std::string("\xdd\xff\xff\xff\xff", 5),      // array32
        std::string("\xdf\xff\xff\xff\xff", 5),      // map32
        std::string("\xdb\xff\xff\xff\xff", 5),      // str32
        std::string("\xc6\xff\xff\xff\xff", 5),      // bin32
        std::string("\xc9\xff\xff\xff\xff\x01", 6),  // ext32
        std::string("\xdd\x00\x01\x00\x01", 5),      // an array just over the limit
        std::string("\xdc\xff\xff", 3),              // an array just under it, without its elements
        std::string("\xde\xff\xff", 3),
        std::string("\xda\xff\xff", 3),
    };
    for (const std::string& claim : claims) {
      CHECK(Document::parse(claim).error().code == Code::malformed);
      CHECK(decode_header(claim).code() == Code::malformed);
      CHECK(decode<ClusterMap>(claim).code() == Code::malformed);
      CHECK(decode<ClusterMap>(map_of({{key_bytes("nodes"), claim}})).code() == Code::malformed);
    }
  }

  TEST_CASE("nesting is bounded") {
    const auto nested = [](size_t depth) { return std::string(depth, '\x91') + '\xc0'; };
    CHECK(Document::parse(nested(kNestingMax - 1)));
    CHECK_FALSE(Document::parse(nested(kNestingMax + 1)));
    CHECK_FALSE(Document::parse(nested(100'000)));
    CHECK(decode<Ping>(map_of({{key_bytes("deep"), nested(100'000)}})).code() == Code::malformed);
  }

  TEST_CASE("a header of another shape is malformed") {
    const std::string good = encode_header(samples::header());
    CHECK(decode_header(std::string(1, '\x80')).code() == Code::malformed);
    CHECK(decode_header(value_bytes(std::string("hello"))).code() == Code::malformed);
    std::string six = good;
    six[0] = '\x96';  // a claim of 6 elements; the rest follows as trailing bytes
    CHECK(decode_header(six).code() == Code::malformed);
    // Whatever comes behind the source may be unknown.
    std::string extended = good + "\x81\x01\x02";
    extended[0] = '\x9a';
    CHECK(decode_header(extended).ok());
  }

  TEST_CASE("an element of the header of the wrong type is malformed") {
    for (size_t wrong = 0; wrong < 8; ++wrong) {
      std::string bytes;
      Writer writer(bytes);
      writer.array(8);
      for (size_t i = 0; i < 8; ++i) {
        if (i == wrong) {
          writer.real(0.5);
        } else if (i < 5) {
          writer.uint(1);
        } else {
          writer.str("x");
        }
      }
      CHECK_MESSAGE(decode_header(bytes).code() == Code::malformed, wrong);
    }
  }

  TEST_CASE("another protocol version is unsupported, whatever follows") {
    std::string bytes;
    Writer writer(bytes);
    writer.array(7);
    writer.uint(2);
    for (int i = 0; i < 6; ++i) writer.nil();
    const auto result = decode_header(bytes);
    CHECK(result.code() == Code::unsupported);
    CHECK(result.error().text.find("version 2") != std::string::npos);
  }

  TEST_CASE("a header without a ticket, or with nil for it, is good") {
    for (const bool with_nil : {false, true}) {
      std::string bytes;
      Writer writer(bytes);
      writer.array(with_nil ? 8 : 7);
      for (const uint64_t number : {1, 108, 5, 0, 0}) writer.uint(number);
      writer.str("client/1");
      writer.str("monitor");
      if (with_nil) writer.nil();
      const auto header = decode_header(bytes);
      REQUIRE(header);
      CHECK(header->type == Type::Ping);
      CHECK(header->ticket.empty());
    }
  }
}

}  // namespace dfs
