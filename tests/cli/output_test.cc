#include "cli/output.h"

#include <doctest/doctest.h>

using namespace dfs;
using namespace dfs::cli;
using namespace std::chrono_literals;

TEST_SUITE("cli") {
  TEST_CASE("ordinary names are shown as they are") {
    CHECK(printable("report 2026.txt") == "report 2026.txt");
    CHECK(printable("Grüße-日本-🙂") == "Grüße-日本-🙂");
    CHECK(printable("-rf") == "-rf");
    CHECK(printable("it's \"$HOME\"") == "it's \"$HOME\"");
    CHECK(printable("") == "");
  }

  TEST_CASE("names that would steer the terminal are quoted as bash reads them") {
    CHECK(printable("a\nb") == "$'a\\nb'");
    CHECK(printable("\x1b[2J") == "$'\\x1b[2J'");
    CHECK(printable("tab\there's\\") == "$'tab\\there\\'s\\\\'");
    CHECK(printable("del\x7f") == "$'del\\x7f'");
    // C1 controls and bidirectional overrides, in UTF-8.
    CHECK(printable("\xc2\x9b") == "$'\\xc2\\x9b'");
    CHECK(printable("txt.\xe2\x80\xae"
                    "exe") == "$'txt.\\xe2\\x80\\xaeexe'");
  }

  TEST_CASE("bytes that are no UTF-8 are quoted, those around them kept") {
    CHECK(printable("\xff") == "$'\\xff'");
    CHECK(printable("ü\xfcü") == "$'ü\\xfcü'");
    CHECK(printable("cut\xe2\x82") == "$'cut\\xe2\\x82'");
    CHECK(printable("\xc0\xaf") == "$'\\xc0\\xaf'");           // overlong
    CHECK(printable("\xed\xa0\x80") == "$'\\xed\\xa0\\x80'");  // surrogate
  }

  TEST_CASE("a name that looks quoted is quoted, so that no two names look alike") {
    CHECK(printable("$'a\\nb'") == "$'$\\'a\\\\nb\\''");
  }

  TEST_CASE("sizes have three digits that say something") {
    CHECK(human_bytes(0) == "0 B");
    CHECK(human_bytes(1023) == "1023 B");
    CHECK(human_bytes(1024) == "1.00 KiB");
    CHECK(human_bytes(10 * 1024) == "10.0 KiB");
    CHECK(human_bytes(1000 * 1024) == "0.98 MiB");  // never four digits
    CHECK(human_bytes(3745ull << 20) == "3.66 GiB");
    CHECK(human_bytes(734ull << 20) == "734 MiB");
    CHECK(human_bytes((1ull << 20) - 1) == "1.00 MiB");
    CHECK(human_bytes(UINT64_MAX) == "16.0 EiB");
  }

  TEST_CASE("rates survive transfers that took no time") {
    CHECK(human_rate(734ull << 20, 1s) == "734 MiB/s");
    CHECK(human_rate(100ull << 20, 10s) == "10.0 MiB/s");
    CHECK(human_rate(0, 0s) == "0 B/s");
    CHECK(human_rate(UINT64_MAX, 0s).ends_with("/s"));
  }

  TEST_CASE("durations change their unit where people would") {
    CHECK(human_duration(0s) == "0 ms");
    CHECK(human_duration(42ms) == "42 ms");
    CHECK(human_duration(999600us) == "1.0 s");
    CHECK(human_duration(5100ms) == "5.1 s");
    CHECK(human_duration(99s) == "99.0 s");
    CHECK(human_duration(100s) == "1 m 40 s");
    CHECK(human_duration(125s) == "2 m 05 s");
    CHECK(human_duration(2h + 3min) == "2 h 03 m");
    CHECK(human_duration(76h) == "3 d 04 h");
  }

  TEST_CASE("times for programs are UTC with milliseconds") {
    CHECK(machine_time(0) == "1970-01-01T00:00:00.000Z");
    CHECK(machine_time(1769861696789) == "2026-01-31T12:14:56.789Z");
  }

  TEST_CASE("modes are shown as ls shows them") {
    CHECK(human_mode(FileType::file, 0644) == "-rw-r--r--");
    CHECK(human_mode(FileType::directory, 0750) == "drwxr-x---");
    CHECK(human_mode(FileType::directory, 01777) == "drwxrwxrwt");
    CHECK(human_mode(FileType::file, 06754) == "-rwsr-sr--");
    CHECK(human_mode(FileType::file, 07644) == "-rwSr-Sr-T");
  }

  TEST_CASE("counts agree with their noun") {
    CHECK(counted(0, "file") == "0 files");
    CHECK(counted(1, "copy") == "1 copy");
    CHECK(counted(2, "copy") == "2 copies");
  }

  TEST_CASE("a line of JSON keeps its order and escapes what must be") {
    JsonLine line;
    line.add("name", "a\"b\\").add("size", uint64_t{7}).add("new", true).add("seconds", 1.5);
    line.raw("list", "[1,2]");
    CHECK(line.str() == R"({"name":"a\"b\\","size":7,"new":true,"seconds":1.500,"list":[1,2]})");
  }

  TEST_CASE("a table aligns its columns by what is seen, not by bytes") {
    TextTable table({{"NAME"}, {"SIZE", TextTable::Align::right}, {"NOTE"}});
    table.add({"ü", "7", "x"});
    table.add({"longer", "1234", ""});
    CHECK(table.str() ==
          "NAME    SIZE  NOTE\n"
          "ü          7  x\n"
          "longer  1234\n");
  }

  TEST_CASE("the progress line fits the terminal") {
    const ProgressView view{"/a/very/long/path/of/some/file.bin", 512ull << 20, 1ull << 30, 1e9};
    for (size_t columns = 10; columns < 200; ++columns) {
      CHECK(columns_of(progress_text(view, columns)) <= columns);
    }
    const std::string wide = progress_text(view, 120);
    CHECK(wide.find("50%") != std::string::npos);
    CHECK(wide.find("512 MiB of 1.00 GiB") != std::string::npos);
    CHECK(wide.find("954 MiB/s") != std::string::npos);
    CHECK(wide.find("left") != std::string::npos);
  }

  TEST_CASE("a stream of unknown length has neither share nor time left") {
    const std::string line = progress_text({"-", 5ull << 20, UINT64_MAX, 1e6}, 100);
    CHECK(line.find('%') == std::string::npos);
    CHECK(line.find("left") == std::string::npos);
    CHECK(line.find("5.00 MiB") != std::string::npos);
  }
}
