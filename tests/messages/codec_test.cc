#include "messages/codec.h"

#include <doctest/doctest.h>

#include "messages/types.h"
#include "tests/messages/samples.h"

namespace dfs {
namespace {

template <class Fill>
std::string written(Fill&& fill) {
  std::string bytes;
  Writer writer(bytes);
  fill(writer);
  return bytes;
}

std::string json_of(const std::string& bytes) {
  auto document = Document::parse(bytes);
  REQUIRE(document);
  return document->root().to_json();
}

}  // namespace

TEST_SUITE("messages") {
  TEST_CASE("the writer uses the shortest form of each number") {
    CHECK(written([](Writer& w) { w.uint(127); }).size() == 1);
    CHECK(written([](Writer& w) { w.uint(128); }).size() == 2);
    CHECK(written([](Writer& w) { w.uint(65'535); }).size() == 3);
    CHECK(written([](Writer& w) { w.uint(UINT64_MAX); }).size() == 9);
    CHECK(written([](Writer& w) { w.sint(-32); }).size() == 1);
    CHECK(written([](Writer& w) { w.sint(INT64_MIN); }).size() == 9);
  }

  TEST_CASE("a value is read back only as the type it has") {
    const std::string bytes = written([](Writer& w) {
      w.array(6);
      w.uint(UINT64_MAX);
      w.sint(-5);
      w.boolean(true);
      w.real(0.5);
      w.str("text");
      w.nil();
    });
    auto document = Document::parse(bytes);
    REQUIRE(document);
    const Value root = document->root();
    uint64_t u = 1;
    int64_t s = 1;
    bool b = false;
    double d = 1;
    std::string_view text;
    CHECK((root.at(0).as_uint(u) && u == UINT64_MAX));
    CHECK_FALSE(root.at(0).as_sint(s));  // does not fit
    CHECK((root.at(1).as_sint(s) && s == -5));
    CHECK_FALSE(root.at(1).as_uint(u));
    CHECK((root.at(2).as_boolean(b) && b));
    CHECK_FALSE(root.at(2).as_uint(u));
    CHECK((root.at(3).as_real(d) && d == 0.5));
    CHECK((root.at(4).as_str(text) && text == "text"));
    CHECK_FALSE(root.at(4).is_array());
    CHECK(root.at(5).is_nil());
    CHECK_FALSE(root.at(5).as_str(text));
    CHECK(u == UINT64_MAX);  // a failed read leaves its argument alone
    CHECK(root.size() == 6);
    CHECK_FALSE(root.find("text").present());  // not a map
  }

  TEST_CASE("an absent value has no type at all") {
    const Value absent;
    uint64_t u = 0;
    std::string_view text;
    CHECK_FALSE(absent.present());
    CHECK_FALSE(absent.is_nil());
    CHECK_FALSE(absent.as_uint(u));
    CHECK_FALSE(absent.as_str(text));
    CHECK(absent.size() == 0);
    CHECK(absent.to_json() == "null");
  }

  TEST_CASE("a document is one value and nothing behind it") {
    CHECK(Document::parse(std::string(1, '\xc0')));
    CHECK(Document::parse("").error().code == Code::malformed);
    CHECK(Document::parse(std::string(2, '\xc0')).error().code == Code::malformed);
    CHECK(Document::parse(std::string(1, '\xc1')).error().code == Code::malformed);  // never used
  }

  TEST_CASE("strings of a document refer into the parsed bytes") {
    const std::string bytes = written([](Writer& w) { w.str("a text of some length"); });
    auto document = Document::parse(bytes);
    REQUIRE(document);
    std::string_view text;
    REQUIRE(document->root().as_str(text));
    CHECK(text.data() >= bytes.data());
    CHECK(text.data() + text.size() <= bytes.data() + bytes.size());
  }

  TEST_CASE("JSON shows every kind of value") {
    CHECK(json_of(written([](Writer& w) {
            w.map(2);
            w.str("list");
            w.array(5);
            w.uint(1);
            w.sint(-1);
            w.boolean(false);
            w.real(1.5);
            w.nil();
            w.uint(7);  // a key that is not a string
            w.bin("\n");
          })) == R"({"list":[1,-1,false,1.5,null],"7":"\u000a"})");
    CHECK(json_of(written([](Writer& w) { w.array(0); })) == "[]");
    CHECK(json_of(written([](Writer& w) { w.map(0); })) == "{}");
    CHECK(json_of(written([](Writer& w) { w.real(1.0 / 0.0); })) == "null");
  }

  TEST_CASE("json_quote keeps UTF-8 and escapes everything else byte by byte") {
    struct Case {
      std::string in, out;
    };
    const Case cases[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c", R"("a\"b\\c")"},
        {std::string("\0\n\t\x1f\x7f", 5), R"("\u0000\u000a\u0009\u001f\u007f")"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
         "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {"\xff", R"("\u00ff")"},
        {"\x80x", R"("\u0080x")"},                              // a continuation without a start
        {"\xc3", R"("\u00c3")"},                                // cut short
        {"\xe2\x82", R"("\u00e2\u0082")"},                      // cut short
        {"\xc0\xaf", R"("\u00c0\u00af")"},                      // overlong '/'
        {"\xe0\x80\xaf", R"("\u00e0\u0080\u00af")"},            // overlong
        {"\xed\xa0\x80", R"("\u00ed\u00a0\u0080")"},            // a surrogate
        {"\xf4\x90\x80\x80", R"("\u00f4\u0090\u0080\u0080")"},  // past U+10FFFF
        {"\xc3\x28", R"("\u00c3(")"},                           // a start without a continuation
    };
    for (const auto& [in, out] : cases) CHECK(json_quote(in) == out);
  }

  TEST_CASE("a message prints as JSON in the order of its fields") {
    CHECK(to_json(Pong{.nonce = 42, .actor = "storage/7"}) ==
          R"({"nonce":42,"actor":"storage/7"})");
    CHECK(to_json(GetMap{}) == "{}");
  }
}

}  // namespace dfs
