// A rule of the tree: types of tests have names of their own.
#include <map>

#include "tests/tidy.h"

using namespace dfs::tidy;

namespace {

// All suites are linked into one program. Two types of one name in one namespace are undefined
// behaviour there, which no linker reports: types of a test's own belong in an anonymous namespace.
Complaints check_type_names(const Files& files) {
  Complaints complaints;
  std::map<std::string, std::string> known;  // where, by qualified name
  for (const SourceFile& file : files) {
    if (!is_cxx(file.path) || !file.path.starts_with("tests/")) continue;
    Words scopes;
    each_line(file, complaints, [&](const std::string& line) -> std::string {
      if (line.starts_with("}  // namespace") && !scopes.empty()) scopes.pop_back();
      if (line.starts_with("namespace ") && line.ends_with("{")) {
        scopes.push_back(words_of(line)[1]);
      }
      const bool hidden = std::count(scopes.begin(), scopes.end(), "{") > 0;
      const bool defines = starts_with_any(line, {"struct ", "class "}) && !line.ends_with(";");
      if (hidden || !defines) return "";
      const std::string word = words_of(line)[1];
      const bool partial = word.find("::") != word.npos || word.find('<') != word.npos;
      if (partial) return "";  // of a type declared elsewhere
      std::string name;
      for (const std::string& scope : scopes) name += scope + "::";
      name += word;
      const auto [first, fresh] = known.emplace(name, file.path);
      return fresh ? "" : name + " is defined in " + first->second + " too";
    });
  }
  return complaints;
}

}  // namespace

TEST_SUITE("tidy") {
  TEST_CASE("the rule of type names finds two of one name, but not those that nobody else sees") {
    const auto check = [](const std::string& first, const std::string& second) {
      return check_type_names({{"tests/a.cc", first}, {"tests/b/c.h", second}});
    };
    CHECK(check("struct Node {\n", "struct Node : Base {\n") ==
          Complaints{"tests/b/c.h:1: Node is defined in tests/a.cc too"});
    const std::string in_dfs = "namespace dfs {\nclass Node final {\n}  // namespace dfs\n";
    CHECK(check(in_dfs, in_dfs).size() == 1);
    CHECK(check(in_dfs, "struct Node {\n").empty());
    CHECK(check(in_dfs, "namespace dfs {\nnamespace sim {\nstruct Node {\n").empty());
    const std::string own = "namespace dfs {\nnamespace {\nstruct Node {\n};\n}  // namespace\n";
    CHECK(check(own, own).empty());
    CHECK(check(in_dfs, own).empty());
    CHECK(check(own + "struct Node {\n", in_dfs).size() == 1);
    CHECK(check("struct Node;\n", "struct Node {\n").empty());
    CHECK(check("struct Hash<Node> {\n", "struct Hash<Node> {\n").empty());
    CHECK(check_type_names({{"broker/a.h", "struct Node {\n"}, {"actors/a.h", "struct Node {\n"}})
              .empty());
  }

  TEST_CASE("the tree: types of tests have names of their own") {
    expect_none(check_type_names(tree()));
  }
}
