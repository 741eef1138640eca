#include "cli/line_sinks.h"

#include <doctest/doctest.h>

#include "actors/client/memory_files.h"
#include "messages/crc32c.h"

using namespace dfs;
using namespace dfs::cli;

namespace {

// Writes `text` in pieces of `step` bytes until the sink has enough.
void feed(Sink& sink, const std::string& text, size_t step) {
  for (size_t at = 0; at < text.size(); at += step) {
    if (!sink.write(at, text.data() + at, std::min(step, text.size() - at))) return;
  }
}

std::string first_lines(const std::string& text, uint64_t lines, size_t step) {
  auto out = std::make_shared<MemorySink>(true);
  FirstLines sink(out, lines);
  feed(sink, text, step);
  return out->bytes();
}

// Looks from `begin` on; "?" when the lines begin before that.
std::string last_lines(const std::string& text, uint64_t lines, size_t step, uint64_t begin = 0) {
  LastLines sink(begin, text.size(), lines);
  feed(sink, text.substr(begin), step);
  const auto found = sink.found();
  return found ? text.substr(*found) : "?";
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("the first lines end behind their newline, wherever the pieces end") {
    const std::string text = "one\ntwo\n\nfour";
    for (size_t step = 1; step <= text.size(); ++step) {
      CAPTURE(step);
      CHECK(first_lines(text, 1, step) == "one\n");
      CHECK(first_lines(text, 3, step) == "one\ntwo\n\n");
      CHECK(first_lines(text, 4, step) == text);
      CHECK(first_lines("", 4, step).empty());
    }
  }

  TEST_CASE("whoever has all first lines wants no more") {
    FirstLines sink(std::make_shared<MemorySink>(true), 1);
    CHECK(sink.write(0, "abc", 3).ok());
    CHECK_FALSE(sink.done());
    CHECK_FALSE(sink.write(3, "\nx", 2).ok());
    CHECK(sink.done());
  }

  TEST_CASE("the last lines are found, with or without a newline at the end") {
    for (size_t step = 1; step <= 14; ++step) {
      CAPTURE(step);
      CHECK(last_lines("one\ntwo\n\nfour", 1, step) == "four");
      CHECK(last_lines("one\ntwo\n\nfour\n", 1, step) == "four\n");
      CHECK(last_lines("one\ntwo\n\nfour\n", 2, step) == "\nfour\n");
      CHECK(last_lines("one\ntwo\n\nfour\n", 4, step) == "one\ntwo\n\nfour\n");
      CHECK(last_lines("one\ntwo\n\nfour\n", 99, step) == "one\ntwo\n\nfour\n");
      CHECK(last_lines("one\n", 0, step).empty());
      CHECK(last_lines("\n", 1, step) == "\n");
    }
  }

  TEST_CASE("last lines that begin before what was read are not guessed") {
    const std::string text = "one\ntwo\nthree\n";
    CHECK(last_lines(text, 1, 3, 5) == "three\n");
    CHECK(last_lines(text, 2, 3, 5) == "?");
    CHECK(last_lines(text, 2, 3, 3) == "two\nthree\n");
  }

  TEST_CASE("a checksum of pieces is that of the whole") {
    CrcSink sink;
    feed(sink, "some bytes", 3);
    CHECK(sink.crc() == crc32c("some bytes"));
  }
}
