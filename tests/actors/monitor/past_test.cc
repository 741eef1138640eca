// What was: reads at a moment of the past, copies of now and then, and what must be kept for them.
#include <memory>
#include <random>
#include <set>

#include "tests/actors/monitor/machine.h"
#include "tests/actors/monitor/tree_model.h"

using namespace dfs;

namespace {

struct Past : TestMachine {
  Past() {
    join('1', "tcp://host:1");
    SetGroups command;
    for (GroupId group = 0; group < 8; ++group) command.groups.push_back({group, {1}});
    REQUIRE(tell(command).ok());
  }

  template <class Answer>
  auto at(Moment moment, const Answer& answer) {
    Rows rows(*table);
    return answer_at(rows, moment, index, answer);
  }
  Result<InodeInfo> stat_at(Moment moment, const std::string& path) {
    auto reply = at(moment, [&](Rows& rows) { return dfs::stat(rows, Stat{path}, asker()); });
    if (!reply) return reply.error();
    return reply->info;
  }
  Result<OpenFileReply> open_at(Moment moment, const std::string& path) {
    return at(moment, [&](Rows& rows) {
      return open_file(rows, machine.cluster(), OpenFile{path}, asker());
    });
  }
  Result<ListReply> list_at(Moment moment, const std::string& path, const std::string& after = {},
                            uint32_t limit = kListEntriesMax) {
    return at(moment, [&](Rows& rows) {
      return dfs::list(rows, List{path, after, limit}, asker());
    });
  }
  Result<HistoryList> history(const std::string& path, LogIndex after = 0,
                              uint32_t limit = kListEntriesMax, Moment moment = {}) {
    Rows now(*table);
    return at(moment, [&](Rows& rows) {
      return dfs::history(now, rows, GetHistory{path, after, limit}, asker());
    });
  }
  Result<CopyFileReply> copy(const std::string& from, const std::string& to, Moment moment = {}) {
    CopyFile request;
    request.from = from;
    request.to = to;
    request.at = moment;
    return ask(request);
  }
  Pruned expire(int64_t before_ms, uint32_t limit = 256) {
    return *tell<Pruned>(ExpireHistory{before_ms, limit});
  }
  // Nothing is named any more, and nothing of the past is kept.
  void forget_everything() {
    for (const std::string& name : names("/")) remove("/" + name, true);
    prune();
    while (expire(INT64_MAX).rows > 0) {
    }
  }
  std::optional<ObjectRow> object(ObjectId id) {
    Rows rows(*table);
    return *rows.get<ObjectRow>(keys::object(id));
  }
  bool lives(ObjectId id) { return object(id) && object(id)->state == ObjectState::live; }
  uint64_t live() {
    Rows rows(*table);
    return rows.get<ContentRow>(keys::content())->value_or(ContentRow()).live;
  }
};

Moment after(LogIndex index) {
  return Moment{index, 0};
}
Moment of(int64_t time_ms) {
  return Moment{0, time_ms};
}

// Random changes, and random looks at what was. Of each log entry it remembers the tree and time.
class PastWalk {
 public:
  explicit PastWalk(uint64_t seed) : random_(seed) { remember(); }

  void step() {
    const std::string path = some_path();
    const std::string other = some_path();
    const bool flag = random_() % 2 == 0;
    TreeModel next = *states_.back().tree;
    Code expected = Code::ok;
    Code actual = Code::ok;
    switch (random_() % 12) {
      case 0:
      case 1:
        expected = next.make_dir(path, flag);
        actual = machine.make_dir(path, flag).code();
        break;
      case 2:
      case 3:
      case 4:
        put(next, path, flag);
        return;
      case 5:
        expected = next.remove(path, flag);
        actual = machine.remove(path, flag);
        break;
      case 6:
        REQUIRE(machine.tell<Pruned>(PruneOrphans{static_cast<uint32_t>(random_() % 4 + 1)}).ok());
        break;
      case 7:
      case 8: {
        const auto [moment, then] = some_moment();
        expected = next.copy(*then, path, other);
        actual = machine.copy(path, other, moment).code();
        break;
      }
      case 9:
        if (random_() % 10 == 0) forget();
        break;
      default:
        expected = next.rename(path, other, flag);
        actual = machine.rename(path, other, flag);
        break;
    }
    REQUIRE(actual == expected);
    remember(std::move(next));
  }

  // One path, or the whole tree.
  void look(bool all) {
    const auto [moment, tree] = some_moment();
    CAPTURE(moment.index);
    CAPTURE(moment.time_ms);
    if (all) return compare_all(moment, *tree);
    compare_one(moment, *tree, some_path());
  }

  // Of the moments before, something may be missing, and so they are refused.
  void look_too_early() {
    if (kept_from_ == 0) return;
    CHECK(machine.stat_at(after(kept_from_ - 1), "/").code() == Code::expired);
  }

  Past machine;

 private:
  struct State {
    std::shared_ptr<const TreeModel> tree;  // after the entry
    int64_t time_ms = 0;
  };

  // Files with a block and files without.
  void put(TreeModel& next, const std::string& path, bool block) {
    if (!block) {
      const std::string content = std::to_string(random_() % 1000);
      const Code expected = next.put(path, content);
      REQUIRE(machine.put(path, content).code() == expected);
      return remember(std::move(next));
    }
    Rows rows(*machine.table);
    const ObjectId object = rows.require<ClusterRow>(keys::cluster())->next_object;
    const Code expected = next.put(path, "object " + std::to_string(object));
    REQUIRE(machine.put_block(path, 0, {1}).code() == expected);
    remember(std::move(next));
  }

  void forget() {
    // Not so much that nothing of the past is left to be looked at.
    const auto back = static_cast<int64_t>(random_() % 200 + 100) * 1000;
    const int64_t before_ms = machine.time_ms - back;
    while (machine.expire(before_ms, 7).more) {
    }
    Rows rows(*machine.table);
    const auto kept = rows.get<KeptRow>(keys::kept());
    kept_from_ = kept->value_or(KeptRow()).history_index;
    kept_from_ms_ = kept->value_or(KeptRow()).history_ms;
  }

  // Several entries may have been applied since; those in between changed no names.
  void remember(std::optional<TreeModel> tree = std::nullopt) {
    std::shared_ptr<const TreeModel> now;
    if (!tree) {
      now = std::make_shared<TreeModel>();
    } else if (tree->paths == states_.back().tree->paths) {
      now = states_.back().tree;
    } else {
      now = std::make_shared<TreeModel>(std::move(*tree));
    }
    const State before = states_.empty() ? State{now, 0} : states_.back();
    while (states_.size() < machine.index) {
      const auto behind = static_cast<int64_t>(machine.index - states_.size());
      states_.push_back({before.tree, machine.time_ms - behind * 1000});
    }
    if (states_.size() == machine.index) states_.push_back({now, machine.time_ms});
  }

  struct Then {
    Moment moment;
    const TreeModel* tree;
  };
  Then some_moment() {
    const auto last = static_cast<LogIndex>(states_.size() - 1);
    LogIndex first = std::max<LogIndex>(first_, kept_from_);
    while (states_[first].time_ms < kept_from_ms_) ++first;
    const LogIndex index = first + random_() % (last - first + 1);
    const TreeModel* const tree = states_[index].tree.get();
    if (random_() % 2 == 0) return {after(index), tree};
    return {of(states_[index].time_ms + static_cast<int64_t>(random_() % 1000)), tree};
  }

  void compare_one(Moment moment, const TreeModel& tree, const std::string& path) {
    CAPTURE(path);
    const auto info = machine.stat_at(moment, path);
    const Code way = tree.way(path);
    if (way != Code::ok || !tree.exists(path)) {
      REQUIRE(info.code() == (way == Code::ok ? Code::not_found : way));
      return;
    }
    REQUIRE(info.ok());
    REQUIRE((info->type == FileType::directory) == tree.is_directory(path));
    if (tree.is_directory(path)) return compare_names(moment, tree, path);
    const auto opened = machine.open_at(moment, path);
    REQUIRE(opened.ok());
    const std::string& content = *tree.paths.at(path);
    if (opened->info.object == 0) {
      REQUIRE(opened->content.bytes == content);
    } else {
      REQUIRE(content == "object " + std::to_string(opened->info.object));
      REQUIRE(machine.lives(opened->info.object));
    }
  }

  void compare_names(Moment moment, const TreeModel& tree, const std::string& path) {
    std::set<std::string> names;
    for (const std::string& child : tree.children(path)) {
      names.insert(child.substr(TreeModel::below(path).size()));
    }
    std::string behind;
    for (bool more = true; more;) {
      const auto page = machine.list_at(moment, path, behind, 2);
      REQUIRE(page.ok());
      for (const ListEntry& entry : page->entries) {
        REQUIRE(entry.name > behind);
        REQUIRE(names.erase(entry.name) == 1);
        behind = entry.name;
      }
      more = page->more;
    }
    REQUIRE(names.empty());
  }

  void compare_all(Moment moment, const TreeModel& tree) {
    for (const auto& [path, content] : tree.paths) compare_one(moment, tree, path);
  }

  std::string some_path() {
    std::string path;
    const size_t depth = random_() % 4;
    for (size_t i = 0; i < depth; ++i) path += "/" + std::string(1, "abc"[random_() % 3]);
    return path.empty() ? "/" : path;
  }

  std::mt19937_64 random_;
  std::vector<State> states_;  // by log entry
  LogIndex first_ = machine.index;
  LogIndex kept_from_ = 0;
  int64_t kept_from_ms_ = 0;
};

}  // namespace

TEST_SUITE_BEGIN("monitor");

TEST_CASE("random changes are seen at random moments as a simple model remembers them") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    PastWalk walk(seed);
    for (int i = 0; i < 10'000; ++i) {
      walk.step();
      walk.look(false);
      if (i % 100 == 99) walk.look(true);
      if (i % 100 == 50) walk.look_too_early();
    }
    walk.machine.forget_everything();
    CHECK(walk.machine.live() == 0);
  }
}

TEST_CASE("a moment before the cluster, or still to come, is refused and says why") {
  Past machine;
  REQUIRE(machine.put("/f", "one").ok());
  CHECK(machine.stat_at(after(machine.index), "/f").ok());
  const auto early = machine.stat_at(of(1), "/");
  CHECK(early.code() == Code::expired);
  const auto late = machine.stat_at(after(machine.index + 1), "/f");
  REQUIRE(late.code() == Code::invalid);
  CHECK(late.error().cause.at("last") == std::to_string(machine.index));
  // A clock may be ahead of the last entry.
  CHECK(machine.stat_at(of(machine.time_ms + 3'600'000), "/f").ok());
}

TEST_CASE("of what was forgotten nothing is told, by entry or by time") {
  Past machine;
  REQUIRE(machine.put("/f", "one").ok());
  const LogIndex first = machine.index;
  const int64_t first_ms = machine.time_ms;
  REQUIRE(machine.put("/f", "two").ok());
  const LogIndex second = machine.index;
  const int64_t second_ms = machine.time_ms;
  CHECK(machine.open_at(after(first), "/f")->content.bytes == "one");
  while (machine.expire(second_ms + 1).more) {
  }
  const auto by_entry = machine.stat_at(after(first), "/f");
  REQUIRE(by_entry.code() == Code::expired);
  CHECK(by_entry.error().cause.at("kept_since") == std::to_string(second));
  CHECK(machine.stat_at(of(first_ms), "/f").code() == Code::expired);
  CHECK(machine.open_at(after(second), "/f")->content.bytes == "two");
  CHECK(machine.open_at(of(second_ms), "/f")->content.bytes == "two");
}

TEST_CASE("a long directory is listed as it was, in the right order, page by page") {
  Past machine;
  REQUIRE(machine.make_dir("/d").ok());
  for (int i = 0; i < 1500; ++i) REQUIRE(machine.put("/d/" + std::to_string(i), "x").ok());
  const Moment full = after(machine.index);
  for (int i = 0; i < 1500; i += 2) REQUIRE(machine.remove("/d/" + std::to_string(i)) == Code::ok);
  for (int i = 1500; i < 2000; ++i) REQUIRE(machine.put("/d/" + std::to_string(i), "x").ok());
  REQUIRE(machine.remove("/d", true) == Code::ok);
  machine.prune();
  std::set<std::string> names;
  std::string behind;
  for (bool more = true; more;) {
    const auto page = machine.list_at(full, "/d", behind, 700);
    REQUIRE(page.ok());
    REQUIRE(page->entries.size() <= 700);
    for (const ListEntry& entry : page->entries) {
      REQUIRE(entry.name > behind);
      REQUIRE(entry.info.size == 1);
      names.insert(entry.name);
      behind = entry.name;
    }
    more = page->more;
  }
  CHECK(names.size() == 1500);
  CHECK(names.contains("0"));
  CHECK_FALSE(names.contains("1500"));
}

TEST_CASE("an object lives for as long as any file or former version names it") {
  Past machine;
  REQUIRE(machine.put_block("/a", 0, {1}).ok());
  const ObjectId object = machine.open("/a")->info.object;
  const auto copied = machine.copy("/a", "/b");
  REQUIRE(copied.ok());
  CHECK(copied->created);
  CHECK(copied->size == kBlockBytesMin);
  CHECK(machine.open("/b")->info.object == object);
  CHECK(machine.live() == 1);  // counted once
  const auto forget_all = [&] {
    while (machine.expire(INT64_MAX).more) {
    }
  };
  CHECK(machine.remove("/a") == Code::ok);
  forget_all();
  CHECK(machine.lives(object));
  // Away and back again: the former version and the new one are two reasons.
  const Moment first = after(machine.index);
  REQUIRE(machine.put("/b", "else").ok());
  REQUIRE(machine.copy("/b", "/b", first).ok());
  CHECK(machine.stat("/b")->version == 3);
  forget_all();
  CHECK(machine.lives(object));
  // The same again is one reason still.
  REQUIRE(machine.copy("/b", "/b").ok());
  forget_all();
  CHECK(machine.lives(object));
  CHECK(machine.remove("/b") == Code::ok);
  CHECK(machine.lives(object));
  forget_all();
  CHECK_FALSE(machine.lives(object));
  CHECK(machine.live() == 0);
}

TEST_CASE("history tells what a name stood for, and until when") {
  Past machine;
  REQUIRE(machine.put("/f", "one").ok());
  const LogIndex made = machine.index;
  REQUIRE(machine.put("/f", "two").ok());
  const LogIndex second = machine.index;
  SetAttributes mode;
  mode.path = "/f";
  mode.set_mode = true;
  mode.mode = 0600;
  REQUIRE(machine.ask(mode).ok());
  const LogIndex third = machine.index;
  REQUIRE(machine.rename("/f", "/g") == Code::ok);
  const LogIndex gone = machine.index;
  REQUIRE(machine.put("/f", "other").ok());
  const LogIndex again = machine.index;

  auto list = machine.history("/f");
  REQUIRE(list.ok());
  REQUIRE(list->versions.size() == 4);
  const auto& versions = list->versions;
  CHECK(versions[0].since == made);
  CHECK(versions[0].until == second);
  CHECK(versions[1].since == second);
  CHECK(versions[1].info.version == 2);
  CHECK(versions[1].until == third);
  CHECK(versions[2].info.mode == 0600);
  CHECK(versions[2].until == gone);
  CHECK(versions[3].since == again);
  CHECK(versions[3].until == 0);
  CHECK(versions[3].info.ino != versions[0].info.ino);
  CHECK_FALSE(list->more);

  // In pages of any size it is the same.
  std::vector<LogIndex> since;
  LogIndex behind = 0;
  for (bool more = true; more;) {
    const auto page = machine.history("/f", behind, 1);
    REQUIRE(page.ok());
    REQUIRE(page->versions.size() <= 1);
    for (const PastVersion& version : page->versions) since.push_back(behind = version.since);
    more = page->more;
  }
  CHECK(since == std::vector<LogIndex>{made, second, third, again});

  // Under its other name it has what came with it, from then on.
  list = machine.history("/g");
  REQUIRE(list->versions.size() == 1);
  CHECK(list->versions[0].since == gone);
  CHECK(list->versions[0].info.version == 2);
  CHECK(machine.history("/none").code() == Code::not_found);
}

TEST_CASE(
    "the history of what is in a removed directory is told as of a moment when it was there") {
  Past machine;
  REQUIRE(machine.make_dir("/d").ok());
  REQUIRE(machine.put("/d/f", "one").ok());
  const LogIndex made = machine.index;
  REQUIRE(machine.remove("/d", true) == Code::ok);
  const LogIndex gone = machine.index;
  CHECK(machine.history("/d/f").code() == Code::not_found);
  for (const bool pruned : {false, true}) {
    if (pruned) machine.prune();
    const auto directory = machine.history("/d");
    REQUIRE(directory.ok());
    REQUIRE(directory->versions.size() == 1);
    CHECK(directory->versions[0].until == gone);
    const auto file = machine.history("/d/f", 0, 10, after(gone - 1));
    REQUIRE(file.ok());
    REQUIRE(file->versions.size() == 1);
    CHECK(file->versions[0].since == made);
    if (pruned) CHECK(file->versions[0].until == gone);
  }
}

TEST_CASE("who may not read the source, or write the target, copies nothing") {
  Past machine;
  REQUIRE(machine.make_dir("/d").ok());
  REQUIRE(machine.put("/d/f", "secret").ok());
  SetAttributes mode;
  mode.path = "/d/f";
  mode.set_mode = true;
  mode.mode = 0600;
  REQUIRE(machine.ask(mode).ok());
  const Moment now = after(machine.index);
  REQUIRE(machine.make_dir("/open").ok());
  mode.path = "/open";
  mode.mode = 0777;
  REQUIRE(machine.ask(mode).ok());
  Requester user;
  user.uid = 1000;
  user.gid = 1000;
  user.user = "u";
  machine.who = user;
  CHECK(machine.copy("/d/f", "/open/f").code() == Code::denied);
  CHECK(machine.copy("/d/f", "/open/f", now).code() == Code::denied);
  REQUIRE(machine.put("/open/own", "mine").ok());
  CHECK(machine.copy("/open/own", "/d/own").code() == Code::denied);
  REQUIRE(machine.copy("/open/own", "/open/copy").ok());
  CHECK(machine.stat("/open/copy")->uid == 1000);
  // A ticket for a directory reads and writes nothing else, in the past neither.
  machine.who->below = "/open";
  CHECK(machine.copy("/d/f", "/open/f").code() == Code::denied);
  CHECK(machine.copy("/open/own", "/other").code() == Code::denied);
  machine.who->read_only = true;
  CHECK(machine.copy("/open/own", "/open/third").code() == Code::denied);
}

TEST_SUITE_END();
