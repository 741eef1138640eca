// Histories told step by step: each file of scripts/ is a list of commands ("> …"), each followed
// by all that comes of it. Comments and empty lines are the author's. When a change of the core is
// meant to change what happens, run the suite once with DFS_WRITE_GOLDEN=1 and read the difference.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/actors/raft/describe.h"
#include "tests/actors/raft/group.h"

namespace dfs::raft {
namespace {

class Script {
 public:
  Script() {
    narrate(group_, [this](const std::string& line) { said_ += line + "\n"; });
  }

  // What comes of one command; the preparations are not told.
  std::string run(const std::string& line) {
    said_.clear();
    std::istringstream in(line);
    std::string verb;
    in >> verb;
    const auto found = kCommands.find(verb);
    if (found == kCommands.end()) throw Violation("no command is called " + verb);
    (this->*found->second)(in);
    return verb == "group" || verb == "elect" ? "" : said_;
  }

 private:
  using Command = void (Script::*)(std::istringstream&);

  static MemberId id(std::istringstream& in) {
    MemberId id = 0;
    if (!(in >> id)) throw Violation("a member's number is missing");
    return id;
  }
  static std::pair<MemberId, MemberId> link(std::istringstream& in) {
    const MemberId from = id(in);
    char arrow = 0;
    in >> arrow;
    if (arrow != '>') throw Violation("a link is written FROM>TO");
    return {from, id(in)};
  }
  template <class T>
  void tell(const Result<T>& result) {
    if (!result) said_ += std::string("refused: ") + name_of(result.code()) + "\n";
  }

  // group COUNT: members 1 to COUNT, that have been up for election_min. spare ID: an empty one.
  void group(std::istringstream& in) {
    group_.found(id(in));
    group_.pass(group_.settings.election_min);
  }
  void spare(std::istringstream& in) { group_.add(id(in)); }
  // timeout ID: its clock, and with it everybody's, goes to where it wakes.
  void timeout(std::istringstream& in) { group_.wake(id(in)); }
  // pass MS: time goes by, nobody notices. beat ID: a leader's heartbeat is due.
  void pass(std::istringstream& in) { group_.pass(std::chrono::milliseconds(id(in))); }
  void beat(std::istringstream& in) { group_.tick(id(in), group_.settings.heartbeat); }
  // elect ID: it stands, wins and has told everybody.
  void elect(std::istringstream& in) { group_.elect(id(in)); }
  void deliver(std::istringstream& in) {
    const auto [from, to] = link(in);
    if (group_.deliver(from, to) == 0) said_ += "nothing is on its way\n";
  }
  void one(std::istringstream& in) {
    const auto [from, to] = link(in);
    group_.deliver_one(from, to);
  }
  void drop(std::istringstream& in) {
    const auto [from, to] = link(in);
    group_.drop(from, to);
  }
  void settle(std::istringstream&) { group_.settle(); }
  void save(std::istringstream& in) { group_.save(id(in)); }
  void fetch(std::istringstream& in) { group_.fetch(id(in)); }
  void install(std::istringstream& in) { group_.install(id(in)); }
  // compact ID FIRST: the table is flushed, and the log begins with this entry.
  void compact(std::istringstream& in) {
    const MemberId member = id(in);
    group_.flush_table(member);
    group_.compact(member, id(in));
  }
  void propose(std::istringstream& in) {
    const MemberId member = id(in);
    std::string body;
    in >> body;
    tell(group_.propose(member, body));
  }
  // change ID MEMBER…: a learner has a ~ before its number.
  void change(std::istringstream& in) {
    const MemberId member = id(in);
    std::vector<Member> wanted;
    for (std::string word; in >> word;) {
      const bool learns = word.front() == '~';
      const MemberId one = std::stoull(word.substr(learns ? 1 : 0));
      wanted.push_back(make_member(one, learns ? Standing::learner : Standing::voter));
    }
    tell(group_.change(member, wanted));
  }
  void transfer(std::istringstream& in) {
    const MemberId from = id(in);
    tell(group_.transfer(from, id(in)));
  }
  void read(std::istringstream& in) { tell(group_.read(id(in))); }
  void lease(std::istringstream& in) {
    Node& node = group_[id(in)];
    const auto index = node.core->lease_read(node.now);
    said_ += index ? "a read may be served at " + std::to_string(*index) + "\n" : "no lease\n";
  }
  void crash(std::istringstream& in) { group_.crash(id(in)); }
  void start(std::istringstream& in) { group_.start(id(in)); }
  void isolate(std::istringstream& in) { group_.isolate(id(in)); }
  void heal(std::istringstream&) { group_.heal(); }
  void show(std::istringstream& in) {
    const MemberId member = id(in);
    const Raft& core = group_.core(member);
    said_ += std::to_string(member) + " " + describe_state(core) + "\n";
    if (!core.progress().empty()) said_ += describe_progress(core) + "\n";
  }

  static const std::map<std::string, Command> kCommands;
  Group group_;
  std::string said_;
};

const std::map<std::string, Script::Command> Script::kCommands = {
    {"group", &Script::group},     {"spare", &Script::spare},       {"timeout", &Script::timeout},
    {"pass", &Script::pass},       {"beat", &Script::beat},         {"elect", &Script::elect},
    {"deliver", &Script::deliver}, {"one", &Script::one},           {"drop", &Script::drop},
    {"settle", &Script::settle},   {"save", &Script::save},         {"fetch", &Script::fetch},
    {"install", &Script::install}, {"compact", &Script::compact},   {"propose", &Script::propose},
    {"change", &Script::change},   {"transfer", &Script::transfer}, {"read", &Script::read},
    {"lease", &Script::lease},     {"crash", &Script::crash},       {"start", &Script::start},
    {"isolate", &Script::isolate}, {"heal", &Script::heal},         {"show", &Script::show},
};

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), "cannot read " << path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

// The script with what its commands do now.
std::string played(const std::string& text) {
  Script script;
  std::string out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const bool command = line.starts_with("> ");
    if (command || line.empty() || line.starts_with('#')) out += line + "\n";
    if (!command) continue;
    try {
      out += script.run(line.substr(2));
    } catch (const std::exception& error) {
      return out + "VIOLATION " + error.what() + "\n";
    }
  }
  return out;
}

}  // namespace

TEST_SUITE("raft") {
  TEST_CASE("each script plays as it is written") {
    std::vector<std::filesystem::path> scripts;
    for (const auto& file : std::filesystem::directory_iterator(DFS_RAFT_SCRIPTS)) {
      if (file.path().extension() == ".txt") scripts.push_back(file.path());
    }
    std::sort(scripts.begin(), scripts.end());
    REQUIRE(scripts.size() >= 8);
    for (const auto& path : scripts) {
      const std::string name = path.filename().string();
      const std::string expected = read_file(path);
      const std::string actual = played(expected);
      if (std::getenv("DFS_WRITE_GOLDEN") != nullptr && actual != expected) {
        std::ofstream(path, std::ios::binary) << actual;
        MESSAGE("wrote " << path.string());
        continue;
      }
      CHECK_MESSAGE(actual == expected, name << " plays otherwise now:\n" << actual);
      CHECK_MESSAGE(actual.find("VIOLATION") == std::string::npos, name);
    }
  }

  TEST_CASE("a script that plays otherwise, or asks for what there is not, is noticed") {
    CHECK(played("> group 1\nnonsense\n").find("nonsense") == std::string::npos);
    CHECK(played("> fly 1\n").find("VIOLATION no command is called fly") != std::string::npos);
    CHECK(played("> save\n").find("VIOLATION") != std::string::npos);
  }
}

}  // namespace dfs::raft
