#include <doctest/doctest.h>
#include <stdlib.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <fstream>

#include "cli/daemon.h"

using namespace dfs;
using namespace dfs::cli;
using namespace std::chrono_literals;

namespace {

// What `dfsd ROLE arguments…` would work with, or why it would not.
Result<DaemonOptions> options_of(Role role, std::vector<std::string> arguments) {
  CLI::App app;
  DaemonOptions options = default_options(role);
  Settings settings(app, "DFS_CLI_TEST_CONFIG");  // whatever the environment holds
  add_settings(settings, role, options);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return Result<DaemonOptions>(Code::usage, error.what());
  }
  DFS_CHECK(settings.complete());
  DFS_CHECK(check_options(role, options));
  return options;
}

std::string refusal(Role role, std::vector<std::string> arguments) {
  auto options = options_of(role, std::move(arguments));
  if (options) return "accepted";
  CHECK(options.code() == Code::usage);
  return options.error().text;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A file with `text`, gone at the end of the scope.
struct TemporaryFile {
  std::string path = "/tmp/dfs_cli_test_XXXXXX";
  explicit TemporaryFile(const std::string& text) {
    const int descriptor = mkstemp(path.data());
    REQUIRE(descriptor >= 0);
    close(descriptor);
    std::ofstream(path) << text;
  }
  ~TemporaryFile() { unlink(path.c_str()); }
};

}  // namespace

TEST_SUITE("cli") {
  TEST_CASE("each role starts with settings that work on one machine") {
    CHECK(options_of(Role::broker, {}).ok());
    for (const Role role : {Role::head, Role::monitor, Role::storage}) {
      CHECK(options_of(role, {"--data", "/d"}).ok());
      CHECK(has(refusal(role, {}), "--data"));
    }
    CHECK(options_of(Role::storage, {"--data", "/d"})->brokers ==
          std::vector<std::string>{"tcp://127.0.0.1:7000"});
  }

  TEST_CASE("settings come from the file, and flags go before it") {
    const TemporaryFile file(
        "data = \"/from/file\"\nreplicas = 3\ndown-after = \"5s\"\n"
        "broker = [\"tcp://127.0.0.1:7010\", \"tcp://127.0.0.1:7020\"]\n");
    auto options =
        options_of(Role::head, {"--config", file.path, "--replicas", "1", "--heartbeat=100ms"});
    REQUIRE(options.ok());
    CHECK(options->data == "/from/file");
    CHECK(options->replicas == 1);
    CHECK(options->down_after == 5s);
    CHECK(options->heartbeat == 100ms);
    CHECK(options->brokers.size() == 2);
  }

  TEST_CASE("a key that the role does not know is an error that names the nearest") {
    const TemporaryFile file("segment-sise = \"1G\"\n");
    const std::string text = refusal(Role::storage, {"--data", "/d", "--config", file.path});
    CHECK(has(text, "segment-sise"));
    CHECK(has(text, "segment-size"));
    const TemporaryFile other("replicas = 2\n");
    CHECK(has(refusal(Role::storage, {"--data", "/d", "--config", other.path}), "replicas"));
  }

  TEST_CASE("values that make no sense are refused by name") {
    const auto head = [](std::vector<std::string> more) {
      more.insert(more.end(), {"--data", "/d"});
      return refusal(Role::head, std::move(more));
    };
    CHECK(has(head({"--replicas", "0"}), "--replicas"));
    CHECK(has(head({"--replicas", "4"}), "--replicas"));
    CHECK(has(head({"--min-copies", "3"}), "--min-copies"));
    CHECK(has(head({"--groups", "48"}), "--groups"));
    CHECK(has(head({"--groups", "0"}), "--groups"));
    CHECK(has(head({"--block-size", "512K"}), "--block-size"));
    CHECK(has(head({"--block-size", "256M"}), "--block-size"));
    CHECK(has(head({"--heartbeat", "1ms"}), "--heartbeat"));
    CHECK(has(head({"--down-after", "600ms"}), "--down-after"));
    CHECK(has(head({"--listen", "127.0.0.1:7000"}), "--listen"));
    CHECK(has(head({"--listen", "tcp://127.0.0.1:65534"}), "--listen"));
    CHECK(has(head({"--listen", "tcp://127.0.0.1:0"}), "--listen"));
    CHECK(has(head({"--listen", "tcp://127.0.0.1:70x"}), "--listen"));
    CHECK(has(head({"--broker", "tcp://:7000"}), "--broker"));
    CHECK(has(head({"--raft-heartbeat", "1ms"}), "--raft-heartbeat"));
    CHECK(has(head({"--election-timeout", "250ms"}), "--election-timeout"));
    CHECK(head({"--election-timeout", "300ms"}) == "accepted");
    CHECK(has(head({"--raft-log-kept", "3M"}), "--raft-log-kept"));
    CHECK(has(head({"--events-kept", "0"}), "--events-kept"));
    CHECK(has(head({"--events-kept-for", "0"}), "--events-kept-for"));
  }

  TEST_CASE("a head founds a cluster or joins one, never both") {
    const auto head = [](std::vector<std::string> more) {
      more.insert(more.end(), {"--data", "/d"});
      return refusal(Role::head, std::move(more));
    };
    CHECK(head({"--bootstrap"}) == "accepted");
    CHECK(head({"--join", "tcp://10.0.0.2:7000,tcp://10.0.0.3:7000"}) == "accepted");
    CHECK(has(head({"--bootstrap", "--join", "tcp://10.0.0.2:7000"}), "--bootstrap"));
    CHECK(has(head({"--join", "10.0.0.2:7000"}), "--join"));
    CHECK(has(head({"--join", "tcp://127.0.0.1:7000"}), "itself"));
    // Other heads are told where its broker is.
    CHECK(has(head({"--listen", "tcp://*:7000"}), "reach"));
    CHECK(has(head({"--listen", "tcp://0.0.0.0:7000"}), "reach"));
    CHECK(has(refusal(Role::monitor, {"--data", "/d", "--raft-listen", "tcp://*:7003"}), "reach"));
  }

  TEST_CASE("tickets are trusted for longer than an election takes, or as long as they last") {
    CHECK(options_of(Role::head, {"--data", "/d"})->ticket_trust == 60s);
    CHECK(options_of(Role::storage, {"--data", "/d", "--ticket-trust", "3s"})->ticket_trust == 3s);
    for (const Role role : {Role::head, Role::monitor, Role::storage}) {
      CHECK(refusal(role, {"--data", "/d", "--ticket-trust", "0s"}) == "accepted");
      CHECK(has(refusal(role, {"--data", "/d", "--ticket-trust", "2999ms"}), "at least 3s"));
    }
    CHECK(has(refusal(Role::head,
                      {"--data", "/d", "--ticket-trust", "3s", "--election-timeout", "800ms"}),
              "four of --election-timeout"));
  }

  TEST_CASE("the port for the other heads follows the three of the broker") {
    auto head = options_of(Role::head, {"--data", "/d", "--listen", "tcp://10.0.0.1:8000"});
    REQUIRE(head.ok());
    CHECK(raft_endpoint(*head) == "tcp://10.0.0.1:8003");
    auto chosen = options_of(Role::head, {"--data", "/d", "--raft-listen", "tcp://10.1.0.1:9000"});
    REQUIRE(chosen.ok());
    CHECK(raft_endpoint(*chosen) == "tcp://10.1.0.1:9000");
    auto monitor = options_of(Role::monitor, {"--data", "/d"});
    REQUIRE(monitor.ok());
    CHECK(raft_endpoint(*monitor) == "tcp://127.0.0.1:7003");
    const auto refused = [](const std::string& listen, const std::string& raft) {
      return refusal(Role::head, {"--data", "/d", "--listen", listen, "--raft-listen", raft});
    };
    CHECK(has(refused("tcp://10.0.0.1:8000", "tcp://10.0.0.1:8002"), "--raft-listen"));
    CHECK(refused("tcp://10.0.0.1:8000", "tcp://10.0.0.2:8002") == "accepted");
    CHECK(refused("tcp://10.0.0.1:65533", "tcp://10.0.0.1:1") == "accepted");
    CHECK(has(refusal(Role::head, {"--data", "/d", "--listen", "tcp://10.0.0.1:65533"}),
              "give --raft-listen"));
  }

  TEST_CASE("brokers are known once each, and nobody is a broker to itself") {
    CHECK(known_brokers({"tcp://a:1", "tcp://b:1"}, {"tcp://c:1", "tcp://b:1"}, "tcp://a:1") ==
          std::vector<std::string>{"tcp://b:1", "tcp://c:1"});
    CHECK(known_brokers({}, {}, "tcp://a:1").empty());
  }

  TEST_CASE("a storage node takes one to sixteen directories, each once") {
    CHECK(options_of(Role::storage, {"--data", "/a", "--data", "/b"})->directories ==
          std::vector<std::string>{"/a", "/b"});
    const TemporaryFile one("data = \"/one\"\n");
    CHECK(options_of(Role::storage, {"--config", one.path})->directories ==
          std::vector<std::string>{"/one"});
    const TemporaryFile two("data = [\"/one\", \"/two\"]\n");
    CHECK(options_of(Role::storage, {"--config", two.path})->directories.size() == 2);
    CHECK(has(refusal(Role::storage, {"--data", "/a", "--data", "/a"}), "twice"));
    std::vector<std::string> many;
    for (int i = 0; i < 17; ++i) {
      many.push_back("--data");
      many.push_back("/d" + std::to_string(i));
    }
    CHECK(has(refusal(Role::storage, many), "16"));
    many.resize(32);
    CHECK(options_of(Role::storage, many).ok());
  }

  TEST_CASE("an agent needs a directory, a name and room for at least one node") {
    const auto agent = [](std::vector<std::string> more) {
      more.insert(more.end(), {"--dir", "/d"});
      return refusal(Role::agent, std::move(more));
    };
    CHECK(agent({}) == "accepted");
    CHECK(has(refusal(Role::agent, {}), "--dir DIR is missing"));
    CHECK(has(agent({"--host", ""}), "--host must not be empty"));
    CHECK(has(agent({"--host", std::string(201, 'h')}), "longer than 200"));
    CHECK(agent({"--host", std::string(200, 'h')}) == "accepted");
    CHECK(has(agent({"--nodes-max", "0"}), "1 to 256"));
    CHECK(has(agent({"--nodes-max", "257"}), "1 to 256"));
    CHECK(agent({"--listen", "tcp://10.0.0.1:7100"}) == "accepted");
    CHECK(has(agent({"--listen", "tcp://0.0.0.0:7100"}), "could reach"));
  }

  TEST_CASE("who may join a new cluster is one of three words") {
    CHECK(options_of(Role::head, {"--data", "/d"})->node_join == "auto");
    CHECK(options_of(Role::head, {"--data", "/d", "--node-join", "token"})->node_join == "token");
    CHECK(refusal(Role::head, {"--data", "/d", "--node-join", "friends"}) != "accepted");
  }

  TEST_CASE("whether a new cluster demands authentication is one of three words") {
    CHECK(options_of(Role::head, {"--data", "/d"})->authentication == "auto");
    const auto required = options_of(Role::head, {"--data", "/d", "--authentication", "required"});
    CHECK(required->authentication == "required");
    CHECK(refusal(Role::head, {"--data", "/d", "--authentication", "maybe"}) != "accepted");
  }

  TEST_CASE("a storage node must be reachable at the address it gives") {
    const auto storage = [](std::vector<std::string> more) {
      more.insert(more.end(), {"--data", "/d"});
      return refusal(Role::storage, std::move(more));
    };
    CHECK(storage({"--listen", "tcp://127.0.0.1:0"}) == "accepted");
    CHECK(storage({"--listen", "tcp://10.0.0.7:7100"}) == "accepted");
    CHECK(has(storage({"--listen", "tcp://0.0.0.0:7100"}), "0.0.0.0"));
    CHECK(has(storage({"--listen", "tcp://*:7100"}), "reach"));
    CHECK(has(storage({"--workers", "0"}), "--workers"));
    CHECK(has(storage({"--full-percent", "101"}), "--full-percent"));
    CHECK(has(storage({"--segment-size", "128M"}), "--segment-size"));
    CHECK(has(storage({"--reclaim-period", "10ms"}), "--reclaim-period"));
    CHECK(storage({"--reclaim-period", "1s", "--reclaim-grace", "0"}) == "accepted");
    CHECK(has(storage({"--scrub-period", "0"}), "--scrub-period"));
    CHECK(storage({"--scrub-period", "1h", "--scrub-rate", "0"}) == "accepted");
  }
}
