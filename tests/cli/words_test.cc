#include "cli/words.h"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace dfs::cli;

namespace {

using Words = std::vector<std::string>;

Words split(std::string_view line) {
  auto words = split_words(line);
  REQUIRE(words);
  return *words;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("a line of the shell is split as sh splits it") {
    CHECK(split("  put  a b\t") == Words{"put", "a", "b"});
    CHECK(split("put 'a b' \"c d\" e\\ f") == Words{"put", "a b", "c d", "e f"});
    CHECK(split("a'b'\"c\"d") == Words{"abcd"});
    CHECK(split("'it'\\''s' \"say \\\"so\\\" \\n\"") == Words{"it's", "say \"so\" \\n"});
    CHECK(split("'' \"\"") == Words{"", ""});
    CHECK(split("$'a\\nb\\x41\\101\\''") == Words{"a\nbAA'"});
    CHECK(split("").empty());
    CHECK(split("  # put a b").empty());
    CHECK(split("put #1") == Words{"put", "#1"});
  }

  TEST_CASE("a tilde in front is the home directory, unless it is quoted") {
    const std::string home = std::getenv("HOME") == nullptr ? "" : std::getenv("HOME");
    REQUIRE_FALSE(home.empty());
    CHECK(split("lcd ~ ~/x ~x '~' a~") == Words{"lcd", home, home + "/x", "~x", "~", "a~"});
  }

  TEST_CASE("a quote that is not closed is an error") {
    for (const char* line : {"put 'a", "put \"a", "put $'a", "put a\\"}) {
      CHECK(split_words(line).code() == dfs::Code::usage);
    }
  }

  TEST_CASE("completion sees the word that is being typed, and how it is quoted") {
    OpenLine line = open_words("get 'my fi");
    CHECK(line.words == Words{"get", "my fi"});
    CHECK(line.last_begins == 4);
    CHECK(line.quote == '\'');
    line = open_words("get my\\ fi");
    CHECK(line.words == Words{"get", "my fi"});
    CHECK(line.quote == 0);
    line = open_words("get x ");
    CHECK(line.words == Words{"get", "x", ""});
    CHECK(line.last_begins == 6);
    CHECK(open_words("").words == Words{""});
  }

  TEST_CASE("a quoted word is read as what it was") {
    const Words odd = {"plain",     "a b", "it's",    "\"", "$x`y`", "back\\slash",
                       "new\nline", "#",   "*.[txt]", "~",  "\x01",  "ä ö"};
    for (const std::string& word : odd) {
      for (const char quote : {'\0', '\'', '"', '$'}) {
        CAPTURE(quoted_word(word, quote));
        CHECK(split(quoted_word(word, quote)) == Words{word});
        CHECK(open_words(open_quoted_word(word, quote)).words == Words{word});
      }
    }
    CHECK(split(quoted_word("", 0)) == Words{""});
    CHECK(quoted_word("plain.txt", 0) == "plain.txt");
  }
}
