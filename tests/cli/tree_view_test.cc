#include "cli/tree_view.h"

#include <doctest/doctest.h>

using dfs::cli::Branches;

TEST_SUITE("cli") {
  TEST_CASE("branches lead to every entry of a tree") {
    Branches branches;
    CHECK(branches.next(0, true).empty());
    CHECK(branches.next(1, false) == "├── ");
    CHECK(branches.next(2, false) == "│   ├── ");
    CHECK(branches.next(3, true) == "│   │   └── ");
    CHECK(branches.next(2, true) == "│   └── ");
    CHECK(branches.next(1, true) == "└── ");
    CHECK(branches.next(2, true) == "    └── ");
  }
}
