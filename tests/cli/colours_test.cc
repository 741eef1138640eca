#include "cli/colours.h"

#include <doctest/doctest.h>

#include <string>

using namespace dfs::cli;

TEST_SUITE("cli") {
  TEST_CASE("colours are for terminals that know them, of people who want them") {
    CHECK(colours_wanted(true, nullptr, "xterm"));
    CHECK(colours_wanted(true, "", "xterm"));
    CHECK_FALSE(colours_wanted(false, nullptr, "xterm"));
    CHECK_FALSE(colours_wanted(true, "1", "xterm"));
    CHECK_FALSE(colours_wanted(true, nullptr, "dumb"));
    CHECK_FALSE(colours_wanted(true, nullptr, ""));
    CHECK_FALSE(colours_wanted(true, nullptr, nullptr));
  }

  TEST_CASE("what is painted is the text between a colour and its end") {
    CHECK(painted(Colour::bad, "x") == "\x1b[31mx\x1b[0m");
    CHECK(painted(Colour::none, "x") == "x");
    CHECK(painted(Colour::bad, "").empty());
  }

  TEST_CASE("a state has the colour of the worst that it says") {
    CHECK(colour_of_state("up") == Colour::good);
    CHECK(colour_of_state("up, draining") == Colour::warning);
    CHECK(colour_of_state("up, 1 of 2 disks failed") == Colour::bad);
    CHECK(colour_of_state("down, out") == Colour::bad);
    CHECK(colour_of_state("degraded (group 3)") == Colour::warning);
    CHECK(colour_of_state("whatever") == Colour::none);
    CHECK(colour_of_state("") == Colour::none);
  }
}
