#include "broker/config.h"

#include <doctest/doctest.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "broker/log.h"

namespace dfs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A program with one setting of each kind, its own directory and a clean environment.
struct Program {
  CLI::App app;
  Settings settings{app};
  std::vector<std::string> brokers{"tcp://default"};
  std::string name = "none";
  std::string color = "blue";
  std::string admin_token;
  bool lock = false;
  uint32_t jobs = 4;
  uint64_t count = 0;
  uint64_t block_size = 16 << 20;
  Duration wait = seconds(3);
  std::string directory;

  Program() {
    settings.add("broker", brokers, "Brokers");
    settings.add("name", name, "Name");
    settings.add_choice("color", color, {"blue", "red"}, "Color");
    settings.add("admin-token", admin_token, "Token");
    settings.add("lock", lock, "Lock");
    settings.add("jobs", jobs, "Jobs");
    settings.add("count", count, "Count");
    settings.add_size("block-size", block_size, "Block size");
    settings.add_duration("down-after", wait, "Wait");
    char path[] = "/tmp/dfs-config-XXXXXX";
    directory = mkdtemp(path);
  }
  ~Program() {
    for (const char* variable : {"DFS_JOBS", "DFS_BLOCK_SIZE", "DFS_BROKER", "DFS_CONFIG"}) {
      unsetenv(variable);
    }
    std::filesystem::remove_all(directory);
  }
  std::string file(const std::string& text) const {
    const std::string path = directory + "/dfs.conf";
    std::ofstream(path) << text;
    return path;
  }
  Result<void> run(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
      app.parse(arguments);
    } catch (const CLI::ParseError& error) {
      return {Code::usage, error.what()};
    }
    return settings.complete();
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_SUITE_BEGIN("broker");

TEST_CASE("sizes are read in powers of 1024") {
  const std::pair<const char*, uint64_t> good[] = {{"0", 0},
                                                   {"4096", 4096},
                                                   {"64K", 64 << 10},
                                                   {"16M", 16 << 20},
                                                   {"16MiB", 16 << 20},
                                                   {"16MB", 16 << 20},
                                                   {"1G", 1ull << 30},
                                                   {"2TiB", 2ull << 40},
                                                   {"1.5K", 1536},
                                                   {"7B", 7},
                                                   {"18446744073709551615", UINT64_MAX}};
  for (const auto& [text, bytes] : good) {
    CAPTURE(text);
    const auto size = parse_size(text);
    REQUIRE(size);
    CHECK(*size == bytes);
  }
  for (const char* bad : {"", "M", "-1", "1.5", "1.K", "16 M", "16m", "1X", "16MiBs", "0x10",
                          "18446744073709551616", "16777216T", "1e3", " 1"}) {
    CAPTURE(bad);
    CHECK(parse_size(bad).code() == Code::usage);
  }
}

TEST_CASE("durations need a unit") {
  const std::pair<const char*, Duration> good[] = {
      {"0", Duration::zero()},      {"250us", std::chrono::microseconds(250)},
      {"500ms", milliseconds(500)}, {"3s", seconds(3)},
      {"0.5s", milliseconds(500)},  {"2m", seconds(120)},
      {"1h", seconds(3600)},        {"1d", seconds(86400)},
      {"7ns", Duration(7)}};
  for (const auto& [text, duration] : good) {
    CAPTURE(text);
    const auto parsed = parse_duration(text);
    REQUIRE(parsed);
    CHECK(*parsed == duration);
  }
  for (const char* bad : {"", "3", "s", "-3s", "3 s", "3S", "300000d", "1.s", "3sec"}) {
    CAPTURE(bad);
    CHECK(parse_duration(bad).code() == Code::usage);
  }
}

TEST_CASE("what is formatted is parsed to the same") {
  for (const uint64_t bytes : {0ull, 1ull, 1023ull, 1024ull, 1536ull, 16ull << 20, 3ull << 40}) {
    CHECK(*parse_size(format_size(bytes)) == bytes);
  }
  CHECK(format_size(16 << 20) == "16M");
  for (const int64_t count : {0l, 1l, 500'000'000l, 90'000'000'000l, 86'400'000'000'000l}) {
    CHECK(*parse_duration(format_duration(Duration(count))) == Duration(count));
  }
  CHECK(format_duration(milliseconds(500)) == "500ms");
}

TEST_CASE(
    "flags go before the environment, the environment before the file, the file before defaults") {
  Program program;
  const std::string file = program.file(
      "jobs = 7\n"
      "block-size = \"1M\"\n"
      "name = \"from the file\"\n"
      "lock = true\n"
      "broker = [\"tcp://a\", \"tcp://b\"]\n"
      "down_after = \"500ms\"\n");
  setenv("DFS_JOBS", "8", 1);
  setenv("DFS_BLOCK_SIZE", "2M", 1);
  const Result<void> done = program.run({"--config", file, "--jobs", "9"});
  REQUIRE_MESSAGE(done, done.error().text);
  CHECK(program.jobs == 9);
  CHECK(program.block_size == 2 << 20);
  CHECK(program.name == "from the file");
  CHECK(program.lock);
  CHECK(program.brokers == std::vector<std::string>{"tcp://a", "tcp://b"});
  CHECK(program.wait == milliseconds(500));
  CHECK(program.color == "blue");
  CHECK(program.settings.source_of("jobs") == "flag --jobs");
  CHECK(program.settings.source_of("block-size") == "environment DFS_BLOCK_SIZE");
  CHECK(program.settings.source_of("name") == "file " + file);
  CHECK(program.settings.source_of("color") == "default");
}

TEST_CASE("the file may be named by the environment") {
  Program program;
  setenv("DFS_CONFIG", program.file("jobs = 7\n").c_str(), 1);
  REQUIRE(program.run({}));
  CHECK(program.jobs == 7);
}

TEST_CASE("lists come from repeated flags and from commas") {
  Program program;
  SUBCASE("repeated") {
    REQUIRE(program.run({"--broker", "tcp://a", "--broker", "tcp://b"}));
    CHECK(program.brokers == std::vector<std::string>{"tcp://a", "tcp://b"});
  }
  SUBCASE("commas") {
    REQUIRE(program.run({"--broker=tcp://a,tcp://b"}));
    CHECK(program.brokers == std::vector<std::string>{"tcp://a", "tcp://b"});
  }
  SUBCASE("environment") {
    setenv("DFS_BROKER", "tcp://a,tcp://b", 1);
    REQUIRE(program.run({}));
    CHECK(program.brokers == std::vector<std::string>{"tcp://a", "tcp://b"});
  }
  SUBCASE("one value in the file") {
    REQUIRE(program.run({"--config", program.file("broker = \"tcp://a\"\n")}));
    CHECK(program.brokers == std::vector<std::string>{"tcp://a"});
  }
}

TEST_CASE("a flag may be switched on, off, and be given twice") {
  Program program;
  SUBCASE("on") {
    REQUIRE(program.run({"--lock"}));
    CHECK(program.lock);
  }
  SUBCASE("off") {
    program.lock = true;
    REQUIRE(program.run({"--lock=false"}));
    CHECK_FALSE(program.lock);
  }
  SUBCASE("the last of several values counts") {
    REQUIRE(program.run({"--jobs", "1", "--jobs", "2"}));
    CHECK(program.jobs == 2);
  }
}

TEST_CASE("an unknown key is an error that names the file, the key and the nearest known one") {
  Program program;
  const std::string file = program.file("jobs = 2\nblok-size = \"1M\"\n");
  const Result<void> done = program.run({"--config", file});
  REQUIRE_FALSE(done);
  CHECK(done.code() == Code::usage);
  CHECK(contains(done.error().text, file));
  CHECK(contains(done.error().text, "blok-size"));
  CHECK(contains(done.error().text, "`block-size`"));
  CHECK(done.error().cause.at("nearest") == "block-size");
}

TEST_CASE("a key in a section is unknown too") {
  Program program;
  const Result<void> done = program.run({"--config", program.file("[storage]\njobs = 2\n")});
  REQUIRE_FALSE(done);
  CHECK(contains(done.error().text, "storage.jobs"));
}

TEST_CASE("bad values are refused wherever they stand, and say where") {
  const std::vector<std::string> flags[] = {
      {"--jobs", "many"},       {"--jobs", "4294967296"}, {"--jobs", "-1"},
      {"--block-size", "huge"}, {"--down-after", "3"},    {"--color", "green"},
      {"--lock=perhaps"},       {"--no-such-flag"},       {"--jobs"}};
  for (const auto& arguments : flags) {
    Program program;
    CAPTURE(arguments[0]);
    CHECK(program.run(arguments).code() == Code::usage);
  }
  Program program;
  SUBCASE("file") {
    const std::string file = program.file("block-size = \"huge\"\n");
    const Result<void> done = program.run({"--config", file});
    REQUIRE_FALSE(done);
    CHECK(contains(done.error().text, file));
    CHECK(contains(done.error().text, "block-size"));
    CHECK(contains(done.error().text, "`huge`"));
  }
  SUBCASE("environment") {
    setenv("DFS_JOBS", "x", 1);
    const Result<void> done = program.run({});
    REQUIRE_FALSE(done);
    CHECK(contains(done.error().text, "DFS_JOBS"));
  }
  SUBCASE("no such file") {
    const Result<void> done = program.run({"--config", "/nowhere/dfs.conf"});
    REQUIRE_FALSE(done);
    CHECK(contains(done.error().text, "/nowhere/dfs.conf"));
  }
}

TEST_CASE("the printed configuration gives the same again, without secrets") {
  Program program;
  REQUIRE(program.run({"--name", "a \"b\" # c", "--broker", "tcp://a,tcp://b", "--block-size", "3M",
                       "--admin-token", "hunter2", "--print-config"}));
  CHECK(program.settings.print_requested());
  const std::string text = program.settings.print();
  CHECK(contains(text, "block-size = \"3M\"  # flag --block-size"));
  CHECK(contains(text, "jobs = 4  # default"));
  CHECK_FALSE(contains(text, "hunter2"));

  Program again;
  const Result<void> done = again.run({"--config", again.file("block-size = \"3M\"  # flag\n")});
  REQUIRE_MESSAGE(done, done.error().text);
  CHECK(again.block_size == 3 << 20);
}

TEST_CASE("the nearest name is near") {
  const std::vector<std::string> known{"broker", "block-size", "jobs"};
  CHECK(nearest("brokr", known) == "broker");
  CHECK(nearest("jbos", known) == "jobs");
  CHECK(nearest("blocksize", known) == "block-size");
  CHECK(nearest("zzzzzzzz", known).empty());
}

TEST_CASE("log lines are key=value, quoted when needed, and keep secrets") {
  CHECK(
      format_event(Level::info, "storage/7", "joined", {{"epoch", uint64_t{3}}, {"host", "h1"}}) ==
      "info storage joined actor=storage/7 epoch=3 host=h1");
  CHECK(
      format_event(Level::warn, "monitor", "node is down", {{"why", "no heartbeat"}, {"x", ""}}) ==
      "warn monitor \"node is down\" why=\"no heartbeat\" x=\"\"");
  CHECK(format_event(Level::error, "a", "e", {{"path", "x\ny=\"z\""}}) ==
        "error a e path=\"x\\u000ay=\\\"z\\\"\"");
  CHECK(format_event(Level::info, "lock/1", "login",
                     {{"ticket", "t"}, {"user_password", "p"}, {"Token", "k"}, {"user", "u"}}) ==
        "info lock login actor=lock/1 ticket=*** user_password=*** Token=*** user=u");
}

TEST_CASE("the log goes to its file, by level and module, and is rotated") {
  const Program program;
  LogSettings settings;
  settings.file = program.directory + "/dfs.log";
  settings.levels = "warn,storage=debug";
  settings.file_bytes = 4096;
  settings.files = 2;
  REQUIRE(open_log(settings));
  CHECK(log_enabled(Level::debug, "storage/7"));
  CHECK_FALSE(log_enabled(Level::info, "monitor"));
  log_event(Level::debug, "storage/7", "kept", {});
  log_event(Level::info, "monitor", "dropped", {});
  flush_log();
  std::ifstream in(settings.file);
  std::string line;
  REQUIRE(std::getline(in, line));
  CHECK(contains(line, " debug storage kept actor=storage/7"));
  CHECK_FALSE(std::getline(in, line));

  const std::string filler(100, 'x');
  for (int i = 0; i < 500; ++i) log_event(Level::warn, "monitor", "filler", {{"text", filler}});
  flush_log();
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(program.directory)) {
    ++files;
    CHECK(entry.file_size() <= settings.file_bytes);
  }
  CHECK(files == settings.files + 1);

  settings.levels = "loud";
  CHECK(open_log(settings).code() == Code::usage);
  settings.levels = "info";
  settings.file = "/dev/null/x/log";
  CHECK(open_log(settings).code() == Code::local_io);
  REQUIRE(open_log(LogSettings{"", "off", 0, 0}));
}

TEST_SUITE_END();

}  // namespace
}  // namespace dfs
