#include "cli/sync_plan.h"

#include <doctest/doctest.h>

#include <map>

#include "cli/paths.h"

using namespace dfs;
using namespace dfs::cli;

namespace {

// A tree in memory; the checksum of a file is that of its text.
class FakeSide : public SyncSide {
 public:
  struct File {
    std::string content;
    int64_t modified_ms = 0;
  };

  FakeSide& add(const std::string& path, const std::string& content = "x",
                int64_t modified_ms = 0) {
    entries_[path] = File{content, modified_ms};
    return *this;
  }
  FakeSide& add_directory(const std::string& path) {
    entries_[path] = std::nullopt;
    return *this;
  }
  FakeSide& add_link(const std::string& path) {
    links_.push_back(path);
    return add(path);
  }
  void fail(const std::string& directory, Code code) { failing_[directory] = code; }

  Result<std::vector<SyncEntry>> list(const std::string& directory) override {
    if (failing_.contains(directory)) return Error{failing_.at(directory), "made to fail", {}, 0};
    std::vector<SyncEntry> entries;
    // Backwards: the order is the planner's business.
    for (auto at = entries_.rbegin(); at != entries_.rend(); ++at) {
      const size_t slash = at->first.rfind('/');
      const std::string above = slash == std::string::npos ? "" : at->first.substr(0, slash);
      if (above != directory) continue;
      SyncEntry entry;
      entry.name = base_name(at->first);
      entry.kind = at->second ? SyncEntry::Kind::file : SyncEntry::Kind::directory;
      if (std::count(links_.begin(), links_.end(), at->first) > 0) {
        entry.kind = SyncEntry::Kind::other;
      }
      if (at->second) {
        entry.size = at->second->content.size();
        entry.modified_ms = at->second->modified_ms;
      }
      entries.push_back(std::move(entry));
    }
    return entries;
  }
  Result<uint32_t> crc32c(const std::string& file) override {
    ++read;
    return static_cast<uint32_t>(std::hash<std::string>{}(entries_.at(file)->content));
  }

  int read = 0;

 private:
  std::map<std::string, std::optional<File>> entries_;  // a directory has none
  std::map<std::string, Code> failing_;
  std::vector<std::string> links_;
};

// The plan as text: what is made, copied and why, and removed.
struct Planned {
  std::string steps;
  std::vector<std::string> failed;
  SyncPlan plan;
};

Planned plan(FakeSide& source, FakeSide& target, const SyncRules& rules = {}, bool exists = true) {
  Planned planned;
  planned.plan =
      plan_sync(source, target, exists, rules, [&](const std::string& path, const Error& error) {
        planned.failed.push_back(path + ": " + name_of(error.code));
        return error.code != Code::unavailable;
      });
  for (const SyncStep& step : planned.plan.directories) planned.steps += "+" + step.path + " ";
  for (const SyncStep& step : planned.plan.copies) {
    planned.steps += step.path + ":" + step.why + " ";
  }
  for (const SyncStep& step : planned.plan.removals) {
    planned.steps += "-" + step.path + (step.whole ? "/** " : step.directory ? "/ " : " ");
  }
  return planned;
}

SyncRules removing() {
  SyncRules rules;
  rules.remove = true;
  return rules;
}

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("sync copies what is new, of another size, or newer") {
    FakeSide source;
    FakeSide target;
    source.add("same", "abc", 5).add("new").add("longer", "abcd", 1).add("newer", "abc", 9);
    source.add("older", "abc", 1).add_directory("d").add("d/x").add_directory("e");
    target.add("same", "abc", 5).add("longer", "abc", 9).add("newer", "xyz", 5);
    target.add("older", "xyz", 5).add("extra").add_directory("e");
    const Planned planned = plan(source, target);
    CHECK(planned.steps == "+d d/x:new longer:size new:new newer:newer ");
    CHECK(planned.plan.unchanged == 2);
    CHECK(planned.failed.empty());
  }

  TEST_CASE("sync into nothing lists nothing there") {
    FakeSide source;
    FakeSide target;
    source.add_directory("d").add("d/x");
    target.fail("", Code::not_found);
    CHECK(plan(source, target, {}, false).steps == "+d d/x:new ");
  }

  TEST_CASE("sync by checksum reads files of the same size and forgets their times") {
    FakeSide source;
    FakeSide target;
    source.add("a", "abc", 1).add("b", "abc", 9).add("c", "abcd", 9);
    target.add("a", "xyz", 9).add("b", "abc", 1).add("c", "abc", 9);
    SyncRules rules;
    rules.by_checksum = true;
    CHECK(plan(source, target, rules).steps == "a:content c:size ");
    CHECK(source.read == 2);
  }

  TEST_CASE("with --delete goes what the source does not have, and nothing else") {
    FakeSide source;
    FakeSide target;
    source.add("keep").add_directory("d").add("d/keep");
    target.add("keep").add("gone").add_directory("d").add("d/keep").add("d/gone");
    target.add_directory("old").add("old/a").add("zz");
    CHECK(plan(source, target).steps.empty());
    CHECK(plan(source, target, removing()).steps == "-d/gone -gone -old/** -zz ");
  }

  TEST_CASE("what is excluded is neither copied nor removed") {
    FakeSide source;
    FakeSide target;
    source.add("a").add("a.tmp").add_directory("cache").add("cache/x");
    target.add("b.tmp").add_directory("cache").add("cache/y");
    target.add_directory("old").add("old/keep.tmp").add("old/gone");
    target.add_directory("older").add("older/gone");
    SyncRules rules = removing();
    rules.filter.exclude = {"*.tmp", "cache/"};
    CHECK(plan(source, target, rules).steps == "a:new -old/gone -older/gone -older/ ");
  }

  TEST_CASE("with --include only such files matter, and directories that hold some") {
    FakeSide source;
    FakeSide target;
    source.add_directory("d").add("d/x.jpg").add("d/x.png").add_directory("idle").add("idle/y");
    target.add("z.png").add("z.jpg");
    SyncRules rules = removing();
    rules.filter.include = {"*.jpg"};
    CHECK(plan(source, target, rules).steps == "+d d/x.jpg:new -z.jpg ");
  }

  TEST_CASE("a file where a directory should be is told of and left alone") {
    FakeSide source;
    FakeSide target;
    source.add("a").add_directory("b").add("b/x").add("c");
    target.add_directory("a").add("a/y").add("b");
    const Planned planned = plan(source, target, removing());
    CHECK(planned.steps == "c:new ");
    CHECK(planned.failed == std::vector<std::string>{"a: is_directory", "b: not_directory"});
  }

  TEST_CASE("links are not copied, and replaced by files only") {
    FakeSide source;
    FakeSide target;
    source.add_link("l").add("f").add_directory("d");
    target.add("l").add_link("f").add_link("d").add_link("stray");
    const Planned planned = plan(source, target, removing());
    CHECK(planned.steps == "f:new -stray ");
    CHECK(planned.plan.others == std::vector<std::string>{"l"});
    CHECK(planned.failed == std::vector<std::string>{"d: not_directory"});
  }

  TEST_CASE("nothing is removed below what cannot be listed") {
    FakeSide source;
    FakeSide target;
    source.add_directory("d").add("d/x").add("f");
    target.add_directory("d").add("d/y");
    source.fail("d", Code::denied);
    const Planned planned = plan(source, target, removing());
    CHECK(planned.steps == "f:new ");
    CHECK(planned.failed == std::vector<std::string>{"d: denied"});
    source.fail("d", Code::unavailable);
    CHECK(plan(source, target, removing()).steps.empty());
  }
}
