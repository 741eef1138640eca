// A machine with a replica that can be started, killed and crashed, for tests.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "actors/mem_table.h"
#include "actors/replica/replica.h"
#include "tests/broker/fake_bus.h"
#include "tests/sim/sim_disk.h"

namespace dfs {

using sim::SimDisk;

// Keeps one row per command, in order, so that whatever is applied twice or out of order shows.
class Journal : public StateMachine {
 public:
  Outcome apply(const Command& command, Table& table, Batch& batch) override {
    if (command.type == Type::BecomeLeader) led_ms = command.time_ms;
    if (command.type == Type::BecomeLeader || command.type == Type::ChangeMembers) {
      return {ErrorReply::kType, encode(ErrorReply::of({Code::unsupported, "no row", {}, 0}))};
    }
    const auto count = table.get("count");
    REQUIRE(count.ok());
    const uint64_t number = *count ? std::stoull(**count) : 0;
    std::string key = "entry/";
    append_u64(key, number);
    batch.put(key, command.body + "@" + std::to_string(command.time_ms));
    batch.put("count", std::to_string(number + 1));
    return {Type::MakeDirReply, command.body + " is number " + std::to_string(number)};
  }
  void applied(const Command& command, const Outcome&) override {
    if (command.type != Type::BecomeLeader && command.type != Type::ChangeMembers) {
      seen.push_back(command.body);
    }
  }
  Result<void> loaded(Table&) override {
    ++loads;
    return load_outcome;
  }

  std::vector<std::string> seen;
  int64_t led_ms = 0;  // time of the last leader's first entry
  int loads = 0;
  Result<void> load_outcome;
};

// A table whose writes can fail.
class FailingTable : public MemTable {
 public:
  Result<void> write(const Batch& batch, Durability durability) override {
    if (failing) return {Code::io_error, "the table's disk is gone"};
    return MemTable::write(batch, durability);
  }
  bool failing = false;
};

// One machine with a replica that can be started, killed and crashed.
struct Head {
  static constexpr const char* kCluster = "0123456789abcdef0123456789abcdef";

  explicit Head(MemberId number = 1) : bus("monitor/" + std::to_string(number)) {
    settings.directory = "/log";
    identity = {kCluster, number, std::string(31, 'a') + static_cast<char>('0' + number)};
    endpoint = "tcp://head-" + std::to_string(number);
    for (MemberId i = 1; i < number; ++i) bus.random();  // chance differs from head to head
  }

  Result<void> start(bool founder = true) {
    begin(founder);
    bus.advance();
    return opened;
  }
  // Without waiting for anything.
  void begin(bool founder = true) {
    journal = Journal();
    told.clear();
    replica.emplace(bus, disk, table, journal, settings);
    replica->watch({[this] { told.push_back("leading"); }, [this] { told.push_back("following"); },
                    [this] { told.push_back("members"); }, [this] { told.push_back("restored"); }});
    opened = Result<void>(Code::timeout, "open() never called back");
    replica->open(identity, endpoint, "tcp://broker-" + std::to_string(identity.member), founder,
                  [this](Result<void> result) { opened = std::move(result); });
  }
  void kill() {
    replica.reset();
    bus.advance();  // jobs that were under way end, and find nobody
    disk.restart();
  }
  void crash(std::mt19937_64& random) {
    kill();
    disk.crash([&] { return random(); });
    table.crash(random() % (table.unsynced() + 1));
  }

  struct Answer {
    std::string body;
    Result<Outcome> outcome = Error{Code::timeout, "not answered", {}, 0};
    int calls = 0;
  };
  std::shared_ptr<Answer> propose(std::string body, uint64_t request = 0,
                                  std::string client = "client/1") {
    Command command;
    command.type = Type::MakeDir;
    command.body = body;
    command.client = std::move(client);
    command.request = request;
    auto answer = std::make_shared<Answer>();
    answer->body = std::move(body);
    replica->propose(std::move(command), [answer](Result<Outcome> outcome) {
      answer->outcome = std::move(outcome);
      ++answer->calls;
    });
    return answer;
  }
  std::string ask(std::string body, uint64_t request = 0) {
    const auto answer = propose(std::move(body), request);
    bus.advance();
    REQUIRE(answer->calls == 1);
    return answer->outcome ? answer->outcome->body : name_of(answer->outcome.code());
  }
  std::vector<std::string> entries() {
    std::vector<std::string> found;
    REQUIRE(table
                .scan("entry/", after_prefix("entry/"),
                      [&](std::string_view, std::string_view value) {
                        found.emplace_back(value.substr(0, value.find('@')));
                        return true;
                      })
                .ok());
    return found;
  }
  std::map<std::string, std::string> rows() {
    std::map<std::string, std::string> found;
    REQUIRE(table
                .scan("", "",
                      [&](std::string_view key, std::string_view value) {
                        found.emplace(key, value);
                        return true;
                      })
                .ok());
    return found;
  }
  // Without the replica's own, which tell of its terms.
  std::map<std::string, std::string> machine_rows() {
    std::map<std::string, std::string> found = rows();
    std::erase_if(found, [](const auto& row) { return row.first.starts_with('\0'); });
    return found;
  }
  size_t replies() {
    size_t count = 0;
    for (const auto& [key, value] : rows()) count += key.starts_with(std::string("\0reply", 6));
    return count;
  }

  FakeBus bus;
  SimDisk disk;
  FailingTable table;
  Journal journal;
  ReplicaSettings settings;
  Identity identity;
  std::string endpoint;
  Result<void> opened;
  std::vector<std::string> told;  // by the replica to its watcher
  std::optional<Replica> replica;
};

using Names = std::vector<std::string>;

}  // namespace dfs
