// The agent on a disk in memory, with processes that exist on paper.
#include "actors/agent/agent.h"

#include <doctest/doctest.h>

#include "actors/agent/node_folder.h"
#include "messages/agents.h"
#include "messages/cluster.h"
#include "messages/dispatch.h"
#include "messages/events.h"
#include "messages/passes.h"
#include "tests/actors/agent/fake_launcher.h"
#include "tests/broker/fake_bus.h"
#include "tests/sim/sim_disk.h"

using namespace dfs;
using namespace std::chrono_literals;

namespace {

constexpr const char* kBase = "/nodes";
constexpr const char* kClient = "peer/1";

struct TestAgent {
  explicit TestAgent(AgentSettings its_settings = {}) : settings(std::move(its_settings)) {
    settings.directory = kBase;
    settings.program = "/bin/dfsd";
    settings.host = "h1";
    settings.brokers = {"tcp://head-1:7000"};
    settings.free_bytes_min = 1 << 20;
    REQUIRE(disk->make_directories(kBase).ok());
    launcher->on_start = [this](FakeLauncher::Process& process) { started(process); };
    bus.on_sent = [this](const FakeBus::Sent& sent) { ping(sent); };
    start();
  }

  void start() {
    agent = std::make_unique<Agent>(bus, disk, launcher, settings);
    std::optional<Result<void>> ready;
    agent->start([&](Result<void> outcome) { ready = outcome; });
    settle();
    REQUIRE(ready);
    REQUIRE(ready->ok());
  }
  // As after kill -9 of the agent: its nodes go on.
  void restart() {
    agent.reset();
    launcher->orphan();
    start();
  }

  // A node that was started prints where it listens, and joins unless told otherwise.
  void started(FakeLauncher::Process& process) {
    const std::string folder = folder_of(process);
    const std::string endpoint = "tcp://node:" + std::to_string(process.id.pid);
    if (endpoints_come) {
      const std::string line = "ready role=storage listen=" + endpoint + "\n";
      REQUIRE(write_file_atomically(*disk, folder + "/ready", line).ok());
    }
    const auto known = numbers.find(folder);
    const NodeId number = known != numbers.end() ? known->second : ++last_number;
    numbers[folder] = number;
    nodes[endpoint] = number;
  }
  static std::string folder_of(const FakeLauncher::Process& process) {
    const std::string& config = process.plan.arguments.at(2);
    return config.substr(0, config.rfind('/'));
  }
  void ping(const FakeBus::Sent& sent) {
    if (sent.envelope.header.type == Type::GetNodePass) {
      const bool is_admin = sent.envelope.header.ticket == "the administrator's";
      answers.push_back(is_admin ? FakeBus::answer(sent, NodePass{})
                                 : FakeBus::answer(sent, Error{Code::denied, "no", {}, 0}));
      return;
    }
    const auto node = nodes.find(sent.link);
    if (node == nodes.end() || sent.envelope.header.type != Ping::kType) return;
    const std::string actor = joins ? "storage/" + std::to_string(node->second) : "storage";
    answers.push_back(FakeBus::answer(sent, Pong{1, actor}));
  }

  void settle() {
    for (int i = 0; i < 20; ++i) {
      for (auto& answer : std::exchange(answers, {})) agent->receive(std::move(answer));
      bus.advance();
    }
  }
  void pass(Duration time) {
    for (const Instant end = bus.now() + time; bus.now() < end;) {
      bus.advance(std::min<Duration>(50ms, end - bus.now()));
      settle();
    }
  }

  void tell(const CreateNode& request, uint64_t id, uint32_t deadline_ms = 30'000) {
    Envelope envelope = envelope_of(request, "agent/h1");
    envelope.header.from = "client/1";
    envelope.header.ticket = ticket;
    envelope.header.request = id;
    envelope.header.deadline_ms = deadline_ms;
    envelope.link = kClient;
    agent->receive(std::move(envelope));
    settle();
  }
  std::vector<Result<CreateNodeReply>> replies() {
    std::vector<Result<CreateNodeReply>> out;
    for (const auto& sent : bus.take_sent()) {
      if (sent.link == kClient) out.push_back(reply_as<CreateNodeReply>(sent.envelope));
    }
    return out;
  }
  Result<CreateNodeReply> create(const CreateNode& request = {}) {
    tell(request, ++last_request);
    pass(1s);
    auto all = replies();
    REQUIRE(all.size() == 1);
    return all[0];
  }

  AgentBeat beat() {
    bus.advance(500ms);
    for (auto i = bus.published.rbegin(); i != bus.published.rend(); ++i) {
      if (i->topic == "heartbeat/agent/h1") return *decode<AgentBeat>(i->envelope.body);
    }
    FAIL("no beat");
    return {};
  }
  size_t events(const std::string& topic) const {
    return static_cast<size_t>(
        std::count_if(bus.published.begin(), bus.published.end(),
                      [&](const auto& published) { return published.topic == "event/" + topic; }));
  }
  std::string config(const std::string& name) {
    return *read_file(*disk, std::string(kBase) + "/" + name + "/node.conf");
  }

  FakeBus bus{"agent/h1"};
  std::shared_ptr<sim::SimDisk> disk = std::make_shared<sim::SimDisk>();
  std::shared_ptr<FakeLauncher> launcher = std::make_shared<FakeLauncher>();
  AgentSettings settings;
  std::unique_ptr<Agent> agent;
  std::string ticket = "the administrator's";
  bool joins = true;
  bool endpoints_come = true;
  NodeId last_number = 0;
  uint64_t last_request = 0;
  std::map<std::string, NodeId> numbers;  // by folder
  std::map<Link, NodeId> nodes;           // by endpoint
  std::vector<Envelope> answers;
};

CreateNode named(const std::string& name, uint32_t port = 0) {
  CreateNode request;
  request.name = name;
  request.port = port;
  return request;
}
CreateNode of_capacity(uint64_t bytes) {
  CreateNode request;
  request.capacity_bytes = bytes;
  return request;
}
CreateNode in_rack(const std::string& rack) {
  CreateNode request;
  request.rack = rack;
  return request;
}

}  // namespace

TEST_SUITE_BEGIN("agent");

TEST_CASE("the monitor says whether who asks may have a node created, each time") {
  TestAgent test;
  for (const char* ticket : {"", "a user's"}) {
    test.ticket = ticket;
    CHECK(test.create().code() == Code::denied);
  }
  CHECK(test.launcher->processes.empty());
  // The denial is no answer for others that have the same number.
  test.ticket = "the administrator's";
  test.tell({}, test.last_request);
  test.pass(1s);
  const auto replies = test.replies();
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].ok());
  CHECK(test.create().ok());
}

TEST_CASE("a node is created in a folder of its own and answered when it has joined") {
  TestAgent test;
  CreateNode request = of_capacity(5 << 20);
  request.rack = "r2";
  request.token = "secret";
  test.tell(request, 101);
  test.pass(1s);
  const auto replies = test.replies();
  REQUIRE(replies.size() == 1);
  REQUIRE(replies[0].ok());
  CHECK(replies[0]->node == 1);
  CHECK(replies[0]->name == "storage-1");
  CHECK(replies[0]->folder == "/nodes/storage-1");
  CHECK(replies[0]->endpoint == "tcp://node:1001");
  CHECK(replies[0]->pid == 1001);

  const LaunchPlan& plan = test.launcher->processes.at(0).plan;
  CHECK(plan.program == "/bin/dfsd");
  CHECK(plan.arguments ==
        std::vector<std::string>{"storage", "--config", "/nodes/storage-1/node.conf"});
  CHECK(plan.environment.at("DFS_JOIN_TOKEN") == "secret");
  const std::string config = test.config("storage-1");
  for (const char* line : {"listen = \"tcp://127.0.0.1:0\"\n", "broker = [\"tcp://head-1:7000\"]\n",
                           "data = \"/nodes/storage-1/data\"\n", "host = \"h1\"\n",
                           "rack = \"r2\"\n", "capacity = \"5242880\"\n"}) {
    CHECK_MESSAGE(config.find(line) != std::string::npos, line);
  }
  CHECK(config.find("secret") == std::string::npos);

  const AgentBeat beat = test.beat();
  REQUIRE(beat.nodes.size() == 1);
  CHECK(beat.nodes[0].node == 1);
  CHECK(beat.nodes[0].state == AgentNodeState::running);
  CHECK(test.create()->name == "storage-2");
}

TEST_CASE("a request that is repeated makes one node, while it is under way and later") {
  TestAgent test;
  test.joins = false;
  test.tell({}, 7);
  test.tell({}, 7);
  test.pass(1s);
  CHECK(test.replies().empty());
  test.joins = true;
  test.pass(1s);
  auto replies = test.replies();
  REQUIRE(replies.size() == 2);
  CHECK(replies[0]->node == 1);
  CHECK(replies[1]->node == 1);

  test.tell({}, 7);
  test.pass(1s);
  CHECK(test.replies().at(0)->node == 1);
  // A new agent knows it from the folder.
  test.restart();
  test.tell({}, 7);
  test.pass(1s);
  CHECK(test.replies().at(0)->name == "storage-1");
  CHECK(test.launcher->processes.size() == 1);
  // The same number of another asker is another request.
  CHECK(test.create()->name == "storage-2");
}

TEST_CASE("names: one that is there is refused, one of choice is taken") {
  TestAgent test;
  CHECK(test.create(named("big-disk", 7200))->name == "big-disk");
  CHECK(test.config("big-disk").find("listen = \"tcp://127.0.0.1:7200\"") != std::string::npos);
  CHECK(test.create(named("big-disk")).code() == Code::exists);
  REQUIRE(test.disk->make_directories("/nodes/mine/data").ok());
  const auto foreign = test.create(named("mine"));
  CHECK(foreign.code() == Code::exists);
  CHECK(foreign.error().text.find("/nodes/mine/data") != std::string::npos);
  CHECK(test.launcher->processes.size() == 1);
}

TEST_CASE("ports follow one another from the first") {
  AgentSettings settings;
  settings.listen = "tcp://10.0.0.1:7100";
  TestAgent test(settings);
  REQUIRE(test.create().ok());
  REQUIRE(test.create().ok());
  CHECK(test.config("storage-1").find("\"tcp://10.0.0.1:7100\"") != std::string::npos);
  CHECK(test.config("storage-2").find("\"tcp://10.0.0.1:7101\"") != std::string::npos);
}

TEST_CASE("there is a limit of nodes, and of space") {
  AgentSettings settings;
  settings.nodes_max = 2;
  TestAgent test(settings);
  REQUIRE(test.create().ok());
  const auto large = test.create(of_capacity(1ull << 60));
  CHECK(large.code() == Code::no_space);
  CHECK(large.error().cause.at("reason") == "disk");
  REQUIRE(test.create().ok());
  const auto third = test.create();
  CHECK(third.code() == Code::no_space);
  CHECK(third.error().cause.at("reason") == "nodes");
  // A node that the cluster removed has left its place.
  test.launcher->end(0, 5);
  test.pass(1s);
  CHECK(test.create()->name == "storage-3");
}

TEST_CASE("a node that does not start is told of with its last words, and its folder used again") {
  TestAgent test;
  test.launcher->on_start = [&](FakeLauncher::Process& process) {
    const std::string words = "dfsd storage: the port is taken\n";
    auto file = test.disk->open(TestAgent::folder_of(process) + "/output", {.create = true});
    REQUIRE((*file)->write_at(0, words.data(), words.size()).ok());
    process.running = false;
    process.status = 4;
  };
  const auto failed = test.create();
  CHECK(failed.code() == Code::io_error);
  CHECK(failed.error().text.find("status 4") != std::string::npos);
  CHECK(failed.error().text.find("the port is taken") != std::string::npos);
  CHECK(test.events("node-given-up") == 1);
  CHECK(test.beat().nodes.at(0).state == AgentNodeState::failed);
  test.pass(10min);
  CHECK(test.launcher->processes.size() == 1);  // nobody asked again

  test.launcher->on_start = [&](FakeLauncher::Process& process) { test.started(process); };
  CHECK(test.create(named("", 7300))->name == "storage-1");
  CHECK(test.config("storage-1").find(":7300") != std::string::npos);
}

TEST_CASE("a program that cannot be executed, a disk that fails, an unwritable setting") {
  TestAgent test;
  test.launcher->refusal = Error{Code::io_error, "cannot start /bin/dfsd: it is not there", {}, 0};
  CHECK(test.create().error().text.find("it is not there") != std::string::npos);
  test.launcher->refusal.reset();
  CHECK(test.create(in_rack("a\"b")).code() == Code::invalid);
  CHECK(test.create().ok());
}

TEST_CASE("a node that the cluster refused is not started again") {
  TestAgent test;
  test.joins = false;
  test.tell({}, 1);
  test.launcher->end(0, 5);
  test.pass(1s);
  const auto replies = test.replies();
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].code() == Code::denied);
  test.pass(10min);
  CHECK(test.launcher->processes.size() == 1);
}

TEST_CASE("a node that does not join in time goes on trying, and asking again finds it") {
  TestAgent test;
  test.joins = false;
  test.tell({}, 1, 10'000);
  test.pass(9s);
  CHECK(test.replies().empty());
  test.pass(1s);
  auto replies = test.replies();
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].code() == Code::timeout);
  CHECK(test.launcher->running() == 1);
  test.joins = true;
  test.tell({}, 1);
  test.pass(1s);
  CHECK(test.replies().at(0)->node == 1);
  CHECK(test.launcher->processes.size() == 1);
}

TEST_CASE("a node that ends is started again, later each time, and a calm time counts anew") {
  AgentSettings settings;
  settings.pause_min = 4s;
  TestAgent test(settings);
  REQUIRE(test.create().ok());
  size_t count = 1;
  // Ends the node and tells how long it takes until it is there again.
  const auto end_and_wait = [&] {
    test.launcher->end(count - 1, 137);
    const Instant ended = test.bus.now();
    while (test.launcher->processes.size() == count && test.bus.now() - ended < 10min) {
      test.pass(50ms);
    }
    CHECK(test.launcher->processes.size() == ++count);
    const Duration elapsed = test.bus.now() - ended;
    test.pass(500ms);  // it joins
    return elapsed;
  };
  for (const Duration pause : {4s, 8s, 16s, 32s, 64s, 128s, 256s, 300s, 300s, 300s}) {
    const Duration elapsed = end_and_wait();
    CHECK(elapsed >= pause);
    CHECK(elapsed <= pause + test.settings.check_period + 100ms);
  }
  CHECK(test.beat().nodes.at(0).restarts == 10);
  CHECK(test.events("node-failing") == 1);
  test.pass(61s);
  CHECK(end_and_wait() < 5s);

  test.launcher->end(count - 1, 137);
  test.pass(1s);
  const AgentNode node = test.beat().nodes.at(0);
  CHECK(node.state == AgentNodeState::waiting);
  CHECK(node.pid == 0);
  CHECK(node.text.find("status 137") != std::string::npos);
  CHECK(node.text.find("started again in 8 s") != std::string::npos);
}

TEST_CASE("a damaged node is not started again") {
  TestAgent test;
  REQUIRE(test.create().ok());
  test.launcher->end(0, 6);
  test.pass(10min);
  CHECK(test.launcher->processes.size() == 1);
  CHECK(test.beat().nodes.at(0).state == AgentNodeState::failed);
  CHECK(test.events("node-given-up") == 1);
  // When its folder is removed it is forgotten.
  REQUIRE(test.disk->remove_tree("/nodes/storage-1").ok());
  test.pass(6s);
  CHECK(test.beat().nodes.empty());
  CHECK(test.create()->name == "storage-1");
}

TEST_CASE("a new agent finds the living nodes of the former one and starts the others") {
  TestAgent test;
  REQUIRE(test.create().ok());
  REQUIRE(test.create().ok());
  test.agent.reset();
  test.launcher->end(1, 137);
  test.restart();
  test.pass(1s);
  CHECK(test.launcher->processes.size() == 3);  // not four
  CHECK(test.launcher->running() == 2);
  const AgentBeat beat = test.beat();
  REQUIRE(beat.nodes.size() == 2);
  CHECK(beat.nodes[0].pid == 1001);
  CHECK(beat.nodes[0].state == AgentNodeState::running);
  CHECK(beat.nodes[1].pid == 1003);
  CHECK(beat.nodes[1].node == 2);
  // How an adopted one ended cannot be known; it is started again all the same.
  test.launcher->end(0, 6);
  test.pass(3s);
  CHECK(test.launcher->processes.size() == 4);
}

TEST_CASE("a damaged record costs nobody a node") {
  TestAgent test;
  REQUIRE(test.create().ok());
  test.agent.reset();
  test.launcher->end(0, 0);
  REQUIRE(write_file_atomically(*test.disk, "/nodes/storage-1/record", "\xc1").ok());
  test.restart();
  test.pass(1s);
  CHECK(test.launcher->running() == 1);
  CHECK(test.beat().nodes.at(0).node == 1);
  CHECK(agent::load_record(*test.disk, "/nodes/storage-1")->node == 1);
}

TEST_CASE("an agent that stops leaves its nodes alone and tells who waits") {
  TestAgent test;
  REQUIRE(test.create().ok());
  test.joins = false;
  test.tell({}, 99);
  bool stopped = false;
  test.agent->stop([&] { stopped = true; });
  CHECK(stopped);
  CHECK(test.replies().at(0).code() == Code::stopping);
  CHECK(test.launcher->running() == 2);
}

TEST_CASE("a second agent of the same host is complained about") {
  TestAgent test;
  const auto complaints = [&] {
    return std::count_if(test.bus.logged.begin(), test.bus.logged.end(), [](const auto& line) {
      return line.event.find("same --host") != std::string::npos;
    });
  };
  AgentBeat own = test.beat();
  test.agent->observe("heartbeat/agent/h1", envelope_of(own));
  CHECK(complaints() == 0);
  own.boot ^= 1;
  test.agent->observe("heartbeat/agent/h1", envelope_of(own));
  test.agent->observe("heartbeat/agent/h1", envelope_of(own));
  CHECK(complaints() == 1);
}

TEST_SUITE_END();
