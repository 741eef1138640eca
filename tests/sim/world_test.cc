// The simulated world itself, with actors that do next to nothing.
#include "tests/sim/world.h"

#include <doctest/doctest.h>

#include "broker/calls.h"
#include "messages/cluster.h"
#include "tests/sim/network.h"
#include "tests/sim/sim_bus.h"

using namespace dfs;
using namespace dfs::sim;
using namespace std::chrono_literals;

namespace {

// Remembers what happened to it; answers pings.
class Toy : public Actor {
 public:
  explicit Toy(Bus& bus) : bus(bus), calls(bus) {}
  void start(std::function<void(Result<void>)> ready) override { ready({}); }
  void receive(Envelope envelope) override {
    if (calls.receive(envelope)) return;
    auto ping = decode<Ping>(envelope.body);
    if (!ping) return;
    heard.push_back(ping->nonce);
    if (envelope.header.request != 0) {
      (void)bus.reply(reply_to(envelope, Pong{ping->nonce, bus.address()}));
    }
  }
  void observe(const std::string& topic, Envelope envelope) override {
    news.push_back(topic + "=" + std::to_string(decode<Ping>(envelope.body)->nonce));
  }
  void link_down(const Link& link) override {
    calls.link_down(link);
    downs.push_back(link);
  }

  Bus& bus;
  Calls calls;
  TaskScope scope;
  std::vector<uint64_t> heard;
  std::vector<std::string> news;
  std::vector<Link> downs;
  std::vector<std::string> answers;
};

Task<void> ping(Toy* toy, Link link, uint64_t nonce) {
  CallOptions options;
  options.deadline = 5s;
  Task<Result<Answer<Ping>>> calling = toy->calls.call(link, "toy", Ping{nonce}, options);
  Result<Answer<Ping>> answer = co_await calling;
  toy->answers.push_back(answer ? std::to_string(answer->message.nonce)
                                : name_of(answer.error().code));
}

struct Pair {
  explicit Pair(uint64_t seed = 1) : world(seed) {
    for (const char* name : {"a", "b"}) world.add(settings(name));
    world.add(settings("relay")).start();
    a().start();
    b().start();
    world.run_for(1ms);
  }
  ProcessSettings settings(const std::string& name) {
    ProcessSettings settings;
    settings.name = settings.machine = settings.address = name;
    settings.listen = "sim://" + name;
    settings.brokers = {"sim://relay"};
    settings.relay = name == "relay";
    settings.make = [](Bus& bus, Process&) { return std::make_unique<Toy>(bus); };
    return settings;
  }
  Process& a() { return *world.find("a"); }
  Process& b() { return *world.find("b"); }
  Process& relay() { return *world.find("relay"); }
  static Toy& toy(Process& process) { return static_cast<Toy&>(process.actor()); }
  void send(uint64_t nonce) {
    Result<void> sent = a().bus().send("sim://b", envelope_of(Ping{nonce}, "b"));
    REQUIRE(sent);
  }

  World world;
};

uint64_t fingerprint_of(uint64_t seed) {
  Pair pair(seed);
  pair.world.network().options().slow_probability = 0.2;
  pair.world.network().options().break_probability = 0.02;
  for (uint64_t i = 1; i <= 50; ++i) {
    Pair::toy(pair.a()).scope.spawn(ping(&Pair::toy(pair.a()), "sim://b", i));
    pair.world.run_for(3ms);
  }
  pair.world.run_for(10s);
  return pair.world.trace_hash();
}

}  // namespace

TEST_SUITE("sim") {
  TEST_CASE("events happen in the order of their time, and of their making when times are equal") {
    World world(1);
    std::string order;
    world.after(2ms, [&] { order += "c"; });
    world.after(1ms, [&] { order += "a"; });
    world.after(1ms, [&] { order += "b"; });
    world.run_for(2ms);
    CHECK(order == "abc");
    CHECK(world.now() == 2ms);
  }

  TEST_CASE("the same seed is the same history, another seed is another") {
    CHECK(fingerprint_of(7) == fingerprint_of(7));
    CHECK(fingerprint_of(7) != fingerprint_of(8));
  }

  TEST_CASE("a link keeps the order of its messages, whatever delays them") {
    Pair pair;
    pair.world.network().options().slow_probability = 0.3;
    for (uint64_t i = 0; i < 200; ++i) pair.send(i);
    pair.world.run_for(200s);
    const auto& heard = Pair::toy(pair.b()).heard;
    REQUIRE(heard.size() == 200);
    for (uint64_t i = 0; i < 200; ++i) CHECK(heard[i] == i);
  }

  TEST_CASE("messages of different links overtake one another") {
    Pair pair;
    std::vector<uint64_t> order;
    bool overtaken = false;
    for (uint64_t i = 0; i < 100; ++i) {
      (void)pair.a().bus().send("sim://b", envelope_of(Ping{2 * i}, "b"));
      (void)pair.relay().bus().send("sim://b", envelope_of(Ping{2 * i + 1}, "b"));
      pair.world.run_for(50us);
    }
    pair.world.run_for(1s);
    const auto& heard = Pair::toy(pair.b()).heard;
    REQUIRE(heard.size() == 200);
    for (size_t i = 1; i < heard.size(); ++i) overtaken |= heard[i] < heard[i - 1];
    CHECK(overtaken);
  }

  TEST_CASE("a duplicated message arrives twice") {
    Pair pair;
    pair.world.network().options().duplicate_probability = 1;
    pair.send(5);
    pair.world.run_for(1s);
    CHECK(Pair::toy(pair.b()).heard == std::vector<uint64_t>{5, 5});
  }

  TEST_CASE("a broken connection loses what is under way and is reported once to each side") {
    Pair pair;
    pair.send(1);
    pair.world.run_for(1s);
    pair.send(2);
    pair.world.network().break_connections(pair.a());
    pair.send(3);  // a does not know yet
    pair.world.run_for(1s);
    CHECK(Pair::toy(pair.b()).heard == std::vector<uint64_t>{1});
    CHECK(Pair::toy(pair.a()).downs == std::vector<Link>{"sim://b"});
    CHECK(Pair::toy(pair.b()).downs.size() == 1);
    pair.send(4);  // connects anew
    pair.world.run_for(1s);
    CHECK(Pair::toy(pair.b()).heard == std::vector<uint64_t>{1, 4});
  }

  TEST_CASE("nobody listening is reported as a broken link, and a gone peer refuses at once") {
    Pair pair;
    pair.b().kill(Crash::process);
    pair.send(1);
    pair.world.run_for(1s);
    CHECK(Pair::toy(pair.a()).downs == std::vector<Link>{"sim://b"});
    CHECK(pair.a().bus().send("peer/0123456789abcdef", Envelope{}).code() == Code::unavailable);
  }

  TEST_CASE("a partition holds messages up; what heals in time arrives") {
    Pair pair;
    pair.send(1);
    pair.world.run_for(1s);
    pair.world.network().block("a", "b");
    pair.send(2);
    pair.send(3);
    pair.world.run_for(1s);
    CHECK(Pair::toy(pair.b()).heard == std::vector<uint64_t>{1});
    pair.world.network().heal();
    pair.send(4);
    pair.world.run_for(1s);
    CHECK(Pair::toy(pair.b()).heard == std::vector<uint64_t>{1, 2, 3, 4});
    CHECK(Pair::toy(pair.a()).downs.empty());
  }

  TEST_CASE("a partition that lasts breaks the connection") {
    Pair pair;
    pair.send(1);
    pair.world.run_for(1s);
    pair.world.network().partition("a", "b");
    pair.send(2);
    pair.world.run_for(10s);
    CHECK(Pair::toy(pair.a()).downs == std::vector<Link>{"sim://b"});
    pair.world.network().heal();
    pair.world.run_for(1s);
    CHECK(Pair::toy(pair.b()).heard == std::vector<uint64_t>{1});
  }

  TEST_CASE("one way of a partition leaves the other open") {
    Pair pair;
    Pair::toy(pair.a()).scope.spawn(ping(&Pair::toy(pair.a()), "sim://b", 1));
    pair.world.run_for(1s);
    pair.world.network().block("b", "a");
    Pair::toy(pair.a()).scope.spawn(ping(&Pair::toy(pair.a()), "sim://b", 2));
    pair.world.run_for(10s);
    CHECK(Pair::toy(pair.b()).heard == std::vector<uint64_t>{1, 2});
    CHECK(Pair::toy(pair.a()).answers == std::vector<std::string>{"1", "unavailable"});
  }

  TEST_CASE("a frozen process does nothing and catches up in order when it thaws") {
    Pair pair;
    pair.b().freeze();
    for (uint64_t i = 0; i < 5; ++i) pair.send(i);
    pair.world.run_for(10s);
    CHECK(Pair::toy(pair.b()).heard.empty());
    pair.b().thaw();
    pair.world.run_for(1s);
    CHECK(Pair::toy(pair.b()).heard == std::vector<uint64_t>{0, 1, 2, 3, 4});
    CHECK(Pair::toy(pair.a()).downs.empty());
  }

  TEST_CASE("a full link refuses as busy") {
    Pair pair;
    pair.b().freeze();
    size_t taken = 0;
    while (pair.a().bus().send("sim://b", envelope_of(Ping{taken}, "b"))) ++taken;
    CHECK(taken == pair.a().settings().link_messages_max);
    CHECK(pair.a().bus().send("sim://b", envelope_of(Ping{}, "b")).code() == Code::busy);
  }

  TEST_CASE("a killed process takes its timers and jobs with it") {
    Pair pair;
    bool fired = false;
    bool worked = false;
    pair.a().bus().after(10ms, [&] { fired = true; });
    CHECK(pair.a().bus().run([&] { worked = true; }, [] {}));
    pair.a().kill(Crash::process);
    pair.a().start();
    pair.world.run_for(1s);
    CHECK_FALSE(fired);
    CHECK_FALSE(worked);
  }

  TEST_CASE("a process killed in a job never hears of the job's end") {
    Pair pair;
    bool worked = false;
    bool told = false;
    CHECK(pair.a().bus().run([&] { worked = true; }, [&] { told = true; }));
    pair.a().kill_in_job(Crash::process, 0);
    pair.world.run_for(1s);
    CHECK(worked);
    CHECK_FALSE(told);
    CHECK_FALSE(pair.a().running());
  }

  TEST_CASE("a pool runs as many jobs at once as it has workers and refuses over its limit") {
    Pair pair;
    size_t finished = 0;
    size_t taken = 0;
    while (pair.a().bus().run([] {}, [&] { ++finished; })) ++taken;
    CHECK(taken == pair.a().settings().pool_jobs_max);
    pair.world.run_for(100s);
    CHECK(finished == taken);
  }

  TEST_CASE("news reach subscribers, late ones get the last value of each topic") {
    Pair pair;
    pair.b().bus().subscribe("x/");
    pair.world.run_for(1s);
    pair.a().bus().publish("x/1", envelope_of(Ping{1}));
    pair.a().bus().publish("x/1", envelope_of(Ping{2}));
    pair.a().bus().publish("y/1", envelope_of(Ping{3}));
    pair.world.run_for(1s);
    CHECK(Pair::toy(pair.b()).news == std::vector<std::string>{"x/1=1", "x/1=2"});
    pair.a().bus().subscribe("x/");
    pair.world.run_for(1s);
    CHECK(Pair::toy(pair.a()).news == std::vector<std::string>{"x/1=2"});
  }

  TEST_CASE("subscriptions survive the relay's restart, last values do not") {
    Pair pair;
    pair.b().bus().subscribe("x/");
    pair.a().bus().publish("x/1", envelope_of(Ping{1}));
    pair.world.run_for(1s);
    pair.relay().kill(Crash::process);
    pair.a().bus().publish("x/1", envelope_of(Ping{2}));
    pair.world.run_for(1s);
    pair.relay().start();
    pair.world.run_for(1s);
    pair.a().bus().publish("x/1", envelope_of(Ping{3}));
    pair.world.run_for(1s);
    CHECK(Pair::toy(pair.b()).news == std::vector<std::string>{"x/1=1", "x/1=3"});
  }

  TEST_CASE("an orderly stop ends the process, and a restart has another clock") {
    Pair pair;
    const Instant before = pair.a().bus().now();
    pair.a().stop();
    pair.world.run_for(1s);
    CHECK_FALSE(pair.a().running());
    pair.a().start();
    pair.world.run_for(1s);
    CHECK(pair.a().ready());
    CHECK(pair.a().bus().now() != before + 2s);
  }
}
