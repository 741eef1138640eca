// The rules of the tree that a program can check. Each rule is a function from files to complaints,
// tried first on small samples that break it and then on the tree itself.
#include "tests/tidy.h"

#include <cctype>
#include <set>

using namespace dfs::tidy;

namespace {

bool is_word_byte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// True when `word` stands in `text` by itself, not as a part of a longer word.
bool has_word(std::string_view text, std::string_view word) {
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool begins = at == 0 || !is_word_byte(text[at - 1]) || !is_word_byte(word.front());
    const bool ends = end == text.size() || !is_word_byte(text[end]) || !is_word_byte(word.back());
    if (begins && ends) return true;
  }
  return false;
}

// A line without its // comment. Good enough for code that has no block comments.
std::string_view code_of(std::string_view line) {
  return line.substr(0, line.find("//"));
}

// What a line includes: `"folder/file.h"` or `<header>`, with its delimiters; else empty.
std::string_view included(std::string_view line) {
  if (!line.starts_with("#include ")) return {};
  line.remove_prefix(9);
  return line.substr(0, line.find_first_of("\">", 1) + 1);
}

// --- who may include whom ---------------------------------------------------------------------

// What an actor may know of the broker: its seams, which have no zmq in them.
const Words kSeams = {"broker/bus.h", "broker/actor.h", "broker/task.h", "broker/calls.h",
                      "broker/announcer.h"};
const Words kGate = {"actors/gate.h", "actors/hearing.h"};
const Words kShared = {"actors/disk.h", "actors/leases.h", "actors/table.h"};

struct IncludeRule {
  std::string folder;  // the longest that is a prefix of the path decides
  Words ours;          // prefixes of "…" that are allowed
  Words theirs;        // prefixes of <…> of other libraries that are allowed
};

Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const std::vector<IncludeRule> kIncludeRules = {
    {"messages/", {"messages/"}, {"msgpack", "isa-l"}},
    {"messages/cipher.", {"messages/"}, {"openssl"}},
    {"messages/fence_proof.", {"messages/"}, {"sodium"}},
    {"messages/grant.", {"messages/"}, {"sodium"}},
    {"messages/join_token.", {"messages/"}, {"openssl"}},
    {"messages/key_wrap.", {"messages/"}, {"sodium"}},
    {"messages/password.", {"messages/"}, {"sodium"}},
    {"messages/secure_random.", {"messages/"}, {"sodium"}},
    {"messages/signature.", {"messages/"}, {"sodium"}},
    {"broker/", {"messages/", "broker/"}, {"zmq", "spdlog", "CLI"}},
    {"actors/", Words{"messages/"} + kShared + Words{"actors/mem_table.h"}, {}},
    {"actors/posix_disk.", Words{"messages/", "actors/posix_disk.h"} + kShared, {}},
    {"actors/posix_launcher.", {"messages/", "actors/launcher.h", "actors/posix_launcher.h"}, {}},
    {"actors/rocks_table.",
     Words{"messages/", "actors/rocks_table.h", "actors/held_rows.h", "actors/posix_disk.h"} +
         kShared,
     {"rocksdb"}},
    {"actors/held_rows.", Words{"messages/", "actors/held_rows.h"} + kShared, {}},
    {"actors/raft/", {"messages/", "actors/raft/"}, {}},
    {"actors/replica/",
     Words{"messages/", "actors/raft/", "actors/replica/"} + kSeams + kShared,
     {}},
    {"actors/gate.", Words{"messages/"} + kGate + kSeams, {}},
    {"actors/hearing.", Words{"messages/"} + kSeams, {}},
    {"actors/monitor/",
     Words{"messages/", "actors/replica/", "actors/monitor/"} + kGate + kSeams + kShared,
     {}},
    {"actors/lock/", Words{"messages/", "actors/replica/", "actors/lock/"} + kSeams + kShared, {}},
    {"actors/storage/", Words{"messages/", "actors/storage/"} + kGate + kSeams + kShared, {}},
    {"actors/client/", Words{"messages/", "actors/client/"} + kSeams + kShared, {}},
    {"actors/agent/",
     Words{"messages/", "actors/agent/", "actors/launcher.h"} + kSeams + kShared,
     {}},
    // The door between blocking code and the client actor: it starts the actor's thread.
    {"actors/client/session.",
     Words{"messages/", "actors/client/", "broker/actor_thread.h"} + kSeams + kShared,
     {"zmq"}},
    {"cli/", {"messages/", "broker/", "actors/", "cli/"}, {"zmq", "spdlog", "CLI", "openssl"}},
    {"cli/line_editor.", {"cli/"}, {"histedit"}},
    {"tests/", {""}, {""}},
};
const Words kLibraries = {"msgpack", "isa-l",   "zmq",     "spdlog", "CLI",
                          "rocksdb", "doctest", "openssl", "sodium", "histedit"};

Complaints check_includes(const Files& files) {
  Complaints complaints;
  for (const SourceFile& file : files) {
    if (!is_cxx(file.path)) continue;
    const IncludeRule* rule = nullptr;
    for (const IncludeRule& r : kIncludeRules) {
      const bool closer = rule == nullptr || r.folder.size() > rule->folder.size();
      if (file.path.starts_with(r.folder) && closer) rule = &r;
    }
    if (rule == nullptr) {
      complaints.push_back(file.path + ": no rule says what this folder may include");
      continue;
    }
    each_line(file, complaints, [&](const std::string& line) -> std::string {
      const std::string_view header = included(line);
      if (header.empty()) return "";
      const std::string_view name = header.substr(1, header.size() - 2);
      const bool ours = header[0] == '"';
      if (ours ? starts_with_any(name, rule->ours)
               : !starts_with_any(name, kLibraries) || starts_with_any(name, rule->theirs)) {
        return "";
      }
      return rule->folder + " must not include " + std::string(header);
    });
  }
  return complaints;
}

// Headers of heavy libraries stay in sources, so that a change of ours rebuilds quickly.
Complaints check_light_headers(const Files& files) {
  Complaints complaints;
  for (const SourceFile& file : files) {
    if (!file.path.ends_with(".h") || file.path.starts_with("tests/")) continue;
    Words heavy = {"<msgpack", "<spdlog", "<CLI", "<rocksdb"};
    if (!file.path.starts_with("broker/")) heavy.push_back("<zmq");
    each_line(file, complaints, [&](const std::string& line) -> std::string {
      return starts_with_any(included(line), heavy) ? "a header must not include this" : "";
    });
  }
  return complaints;
}

// --- actors see only Bus, Disk and Table --------------------------------------------------------

const Words kForbiddenInActors = words_of(
    "zmq std::thread std::jthread std::mutex std::shared_mutex std::condition_variable std::async "
    "std::future std::promise system_clock steady_clock high_resolution_clock clock_gettime "
    "gettimeofday std::time time(nullptr) random_device std::rand sleep_for sleep_until usleep "
    "nanosleep getenv");

struct Exception {
  std::string prefix;
  Words allowed;
  std::string reason;
};
const std::vector<Exception> kActorExceptions = {
    {"actors/client/session.",
     words_of("zmq std::mutex std::condition_variable std::promise std::future random_device"),
     "blocking code waits here for flows that run on the client's thread"},
    {"actors/rocks_table.", {"std::mutex"}, "flushes and checkpoints are made on the pool"},
    {"actors/storage/buffer_pool.", {"std::mutex"}, "libzmq releases a payload on its own thread"},
};

Complaints check_actors(const Files& files) {
  Complaints complaints;
  for (const SourceFile& file : files) {
    if (!is_cxx(file.path) || !file.path.starts_with("actors/")) continue;
    each_line(file, complaints, [&](const std::string& line) -> std::string {
      for (const std::string& word : kForbiddenInActors) {
        if (!has_word(code_of(line), word)) continue;
        const bool excused =
            std::any_of(kActorExceptions.begin(), kActorExceptions.end(), [&](const Exception& e) {
              return file.path.starts_with(e.prefix) &&
                     std::count(e.allowed.begin(), e.allowed.end(), word) > 0;
            });
        if (!excused) return "an actor sees only Bus, Disk and Table, not " + word;
      }
      return "";
    });
  }
  return complaints;
}

// --- form ---------------------------------------------------------------------------------------

constexpr size_t kColumnsMax = 100;
constexpr size_t kLinesMax = 500;

size_t columns_of(std::string_view line) {
  // Bytes that begin a UTF-8 sequence; the rest continue one.
  return static_cast<size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

Complaints check_form(const Files& files) {
  Complaints complaints;
  for (const SourceFile& file : files) {
    const bool prose = file.path.ends_with(".md");
    each_line(file, complaints, [&](const std::string& line) -> std::string {
      if (line.find('\t') != line.npos) return "a tab";
      if (line.find('\r') != line.npos) return "a carriage return";
      if (line.ends_with(' ')) return "spaces at the end of the line";
      if (!prose && columns_of(line) > kColumnsMax) return "longer than 100 columns";
      return "";
    });
    if (is_program(file.path) && lines_of(file.text).size() > kLinesMax) {
      complaints.push_back(file.path + ": longer than 500 lines; it wants to be two things");
    }
    if (!file.text.empty() && file.text.back() != '\n') {
      complaints.push_back(file.path + ": no newline at the end");
    }
    if (file.path.ends_with(".h") && file.text.find("#pragma once\n") == std::string::npos) {
      complaints.push_back(file.path + ": no #pragma once");
    }
  }
  return complaints;
}

// Written in two halves, so that this file does not complain of itself.
const Words kUnfinished = {
    "TO"
    "DO",
    "FIX"
    "ME",
    "XX"
    "X",
    "HA"
    "CK",
    "for "
    "now",
    "st"
    "ub",
    "place"
    "holder",
    "not yet "
    "implemented"};

Complaints check_finished(const Files& files) {
  Complaints complaints;
  for (const SourceFile& file : files) {
    each_line(file, complaints, [](const std::string& line) -> std::string {
      for (const std::string& word : kUnfinished) {
        if (has_word(line, word)) return "unfinished: \"" + word + "\"";
      }
      return "";
    });
  }
  return complaints;
}

// --- the tree -----------------------------------------------------------------------------------

// Every source is named in the CMakeLists.txt of its folder or of one above.
Complaints check_built(const Files& files) {
  Complaints complaints;
  for (const SourceFile& file : files) {
    if (!file.path.ends_with(".cc")) continue;
    const bool named = std::any_of(files.begin(), files.end(), [&](const SourceFile& list) {
      if (!list.path.ends_with("CMakeLists.txt")) return false;
      const std::string folder = list.path.substr(0, list.path.size() - 14);
      return file.path.starts_with(folder) && has_word(list.text, file.path.substr(folder.size()));
    });
    if (!named) complaints.push_back(file.path + ": no CMakeLists.txt names it");
  }
  return complaints;
}

const std::set<std::string> kTopFolders = {"actors", "broker",   "cli",
                                           "deploy", "messages", "tests"};
const std::set<std::string> kTopFiles = {"CMakeLists.txt", "CMakePresets.json", "LICENSE",
                                         "README.md"};

Complaints check_top(const Files& files) {
  Complaints complaints;
  std::set<std::string> paths, tops;
  for (const SourceFile& file : files) {
    paths.insert(file.path);
    const size_t slash = file.path.find('/');
    const std::string top = file.path.substr(0, slash);
    if (top.starts_with('.') || !tops.insert(top).second) continue;
    const bool known =
        slash == file.path.npos ? kTopFiles.contains(top) : kTopFolders.contains(top);
    if (!known) complaints.push_back(top + ": does not belong at the top of the tree");
  }
  for (const std::string& name : kTopFiles) {
    if (!paths.contains(name)) complaints.push_back(name + ": missing");
  }
  for (const std::string& folder : kTopFolders) {
    if (!paths.contains(folder + "/README.md")) {
      complaints.push_back(folder + "/README.md: missing");
    }
  }
  return complaints;
}

// The one complaint about a file of that name and text.
std::string complaint(Complaints (*check)(const Files&), const std::string& path,
                      const std::string& text) {
  const Complaints complaints = check({{path, text}});
  REQUIRE(complaints.size() <= 1);
  return complaints.empty() ? "" : complaints[0];
}

}  // namespace

TEST_SUITE("tidy") {
  TEST_CASE("the include rule knows friend from stranger") {
    const auto check = [](const std::string& path, const std::string& line) {
      return complaint(check_includes, path, line + "\n");
    };
    CHECK(check("messages/a.cc", "#include <vector>") == "");
    CHECK(check("messages/a.cc", "#include <msgpack.hpp>") == "");
    CHECK(check("messages/a.cc", "#include <zmq.hpp>") ==
          "messages/a.cc:1: messages/ must not include <zmq.hpp>");
    CHECK(check("messages/a.cc", "#include \"broker/bus.h\"") ==
          "messages/a.cc:1: messages/ must not include \"broker/bus.h\"");
    CHECK(check("actors/monitor/m.cc", "#include \"broker/bus.h\"") == "");
    CHECK(check("actors/monitor/m.cc", "#include \"broker/sockets.h\"") != "");
    CHECK(check("actors/monitor/m.cc", "#include \"actors/storage/storage.h\"") != "");
    CHECK(check("actors/replica/r.h", "#include \"actors/monitor/monitor.h\"") != "");
    CHECK(check("actors/client/session.cc", "#include \"broker/actor_thread.h\"") == "");
    CHECK(check("actors/client/put.cc", "#include \"broker/actor_thread.h\"") != "");
    CHECK(check("tests/sim/world.cc", "#include \"actors/storage/storage.h\"") == "");
    CHECK(check("elsewhere/x.cc", "") != "");
    CHECK(complaint(check_light_headers, "broker/log.h", "#include <spdlog/spdlog.h>\n") != "");
    CHECK(complaint(check_light_headers, "broker/log.cc", "#include <spdlog/spdlog.h>\n") == "");
    CHECK(complaint(check_light_headers, "broker/sockets.h", "#include <zmq.hpp>\n") == "");
    CHECK(complaint(check_light_headers, "cli/x.h", "#include <zmq.hpp>\n") != "");
  }

  TEST_CASE("the actor rule finds threads, clocks and sockets, but not in comments") {
    const auto check = [](const std::string& path, const std::string& line) {
      return complaint(check_actors, path, line + "\n");
    };
    CHECK(check("actors/monitor/m.cc", "std::thread t;") ==
          "actors/monitor/m.cc:1: an actor sees only Bus, Disk and Table, not std::thread");
    CHECK(check("actors/monitor/m.cc", "x = std::chrono::steady_clock::now();") != "");
    CHECK(check("actors/monitor/m.cc", "std::this_thread::sleep_for(1s);") != "");
    CHECK(check("actors/monitor/m.cc", "zmq::socket_t s;") != "");
    CHECK(check("actors/monitor/m.cc", "std::random_device r;") != "");
    CHECK(check("actors/monitor/m.cc", "f();  // no std::thread here") == "");
    CHECK(check("actors/monitor/m.cc", "my_std::threads t;") == "");
    CHECK(check("broker/pool.cc", "std::thread t;") == "");
    CHECK(check("actors/client/session.cc", "std::mutex m;") == "");
    CHECK(check("actors/client/session.cc", "std::this_thread::sleep_for(1s);") != "");
    CHECK(check("actors/client/client.cc", "std::mutex m;") != "");
  }

  TEST_CASE("the form rule counts columns and lines and sees invisible characters") {
    const auto check = [](const std::string& path, const std::string& text) {
      return complaint(check_form, path, text);
    };
    CHECK(check("a.cc", std::string(100, 'x') + "\n") == "");
    CHECK(check("a.cc", std::string(101, 'x') + "\n") == "a.cc:1: longer than 100 columns");
    std::string arrows;
    for (int i = 0; i < 100; ++i) arrows += "\xe2\x86\x92";
    CHECK(check("a.cc", arrows + "\n") == "");
    CHECK(check("a.cc", arrows + "x\n") != "");
    CHECK(check("a.md", std::string(101, 'x') + "\n") == "");
    CHECK(check("a.cc", "a\tb\n") == "a.cc:1: a tab");
    CHECK(check("a.cc", "a\r\n") == "a.cc:1: a carriage return");
    CHECK(check("a.md", "ok\na \n") == "a.md:2: spaces at the end of the line");
    CHECK(check("a.cc", "a") == "a.cc: no newline at the end");
    CHECK(check("a.h", "int a;\n") == "a.h: no #pragma once");
    CHECK(check("a.h", "#pragma once\n") == "");
    std::string long_text;
    for (int i = 0; i < 500; ++i) long_text += "x\n";
    CHECK(check("a.py", long_text) == "");
    CHECK(check("a.py", long_text + "x\n") != "");
  }

  TEST_CASE("the rule against unfinished work finds words, not parts of words") {
    const auto check = [](const std::string& line) {
      return complaint(check_finished, "a.cc", line + "\n");
    };
    CHECK(check(std::string("// TO") + "DO: more") != "");
    CHECK(check(std::string("// good enough for ") + "now") != "");
    CHECK(check(std::string("a st") + "ub") != "");
    CHECK(check(std::string("a st") + "ubborn st" + "ubs") == "");
    CHECK(check("mktemp /tmp/XXXXXX") == "");
    CHECK(check("wait for nowhere") == "");
  }

  TEST_CASE("the rule of the tree finds what nobody builds and what lies about") {
    CHECK(complaint(check_built, "broker/a.cc", "") == "broker/a.cc: no CMakeLists.txt names it");
    CHECK(check_built({{"broker/a.cc", ""}, {"broker/CMakeLists.txt", "lib(\n  a.cc)"}}).empty());
    CHECK(check_built({{"broker/a.cc", ""}, {"broker/CMakeLists.txt", "lib(ba.cc)"}}).size() == 1);
    CHECK(check_built({{"tests/x/a.cc", ""}, {"tests/CMakeLists.txt", "x/a.cc"}}).empty());
    CHECK(check_built({{"tests/a.cc", ""}, {"cli/CMakeLists.txt", "a.cc"}}).size() == 1);

    Files good = {{"CMakeLists.txt", ""},
                  {"CMakePresets.json", ""},
                  {"LICENSE", ""},
                  {"README.md", ""},
                  {".ci/run", ""}};
    for (const std::string& folder : kTopFolders) good.push_back({folder + "/README.md", ""});
    CHECK(check_top(good).empty());
    Files strange = good;
    strange.push_back({"notes.txt", ""});
    strange.push_back({"scripts/a.sh", ""});
    CHECK(check_top(strange).size() == 2);
    CHECK(check_top({good.begin(), good.end() - 1}).size() == 1);
    CHECK(check_top({good.begin() + 1, good.end()}).size() == 1);
  }

  TEST_CASE("the tree: folders include only what they may") {
    expect_none(check_includes(tree()));
    expect_none(check_light_headers(tree()));
  }
  TEST_CASE("the tree: actors see only Bus, Disk and Table") {
    expect_none(check_actors(tree()));
  }
  TEST_CASE("the tree: lines, files and headers have their form") {
    expect_none(check_form(tree()));
  }
  TEST_CASE("the tree: nothing is unfinished") {
    expect_none(check_finished(tree()));
  }
  TEST_CASE("the tree: every source is built") {
    expect_none(check_built(tree()));
  }
  TEST_CASE("the tree: the top level is as agreed") {
    expect_none(check_top(tree()));
  }
}
