#include "actors/agent/node_folder.h"

#include <doctest/doctest.h>

#include "tests/sim/sim_disk.h"

using namespace dfs;

namespace {

void print(Disk& disk, const std::string& text) {
  auto file = disk.open("/n/output", {.create = true});
  REQUIRE(file.ok());
  REQUIRE((*file)->truncate(0).ok());
  REQUIRE((*file)->write_at(0, text.data(), text.size()).ok());
}

}  // namespace

TEST_SUITE_BEGIN("agent");

TEST_CASE("a folder is whole when it has a record, whatever a crash left") {
  sim::SimDisk disk;
  const agent::NodeSettings settings{
      .host = "h", .rack = "", .listen = "tcp://h:0", .brokers = {"tcp://b:1", "tcp://c:1"}};
  REQUIRE(disk.make_directories("/n").ok());
  CHECK(agent::load_record(disk, "/n").code() == Code::not_found);
  REQUIRE(agent::prepare_folder(disk, "/n", settings, {"client/1", 7, 0}).ok());
  disk.crash([] { return uint64_t{0}; });
  auto record = agent::load_record(disk, "/n");
  REQUIRE(record.ok());
  CHECK(record->client == "client/1");
  CHECK(record->request == 7);
  const std::string config = *read_file(disk, "/n/node.conf");
  CHECK(config.find("broker = [\"tcp://b:1\", \"tcp://c:1\"]\n") != std::string::npos);
  CHECK(config.find("rack") == std::string::npos);
  CHECK(config.find("capacity") == std::string::npos);
  record->node = 3;
  REQUIRE(agent::save_record(disk, "/n", *record).ok());
  CHECK(agent::load_record(disk, "/n")->node == 3);
}

TEST_CASE("where a node listens is known once it has said so, and forgotten before a start") {
  sim::SimDisk disk;
  REQUIRE(disk.make_directories("/n").ok());
  CHECK(agent::read_endpoint(disk, "/n").empty());
  REQUIRE(write_file_atomically(disk, "/n/ready", "ready role=storage listen=tcp://h:1\n").ok());
  CHECK(agent::read_endpoint(disk, "/n") == "tcp://h:1");
  agent::forget_endpoint(disk, "/n");
  CHECK(agent::read_endpoint(disk, "/n").empty());
}

TEST_CASE("last words are the last lines, of this start, and not many") {
  sim::SimDisk disk;
  REQUIRE(disk.make_directories("/n").ok());
  CHECK(agent::last_words(disk, "/n").empty());
  print(disk, "one\n");
  CHECK(agent::last_words(disk, "/n") == "one");
  print(disk, "one\ntwo\nthree\nfour\n");
  CHECK(agent::last_words(disk, "/n") == "two\nthree\nfour");
  CHECK(agent::last_words(disk, "/n", 14) == "four");
  CHECK(agent::last_words(disk, "/n", 19).empty());
  CHECK(agent::output_bytes(disk, "/n") == 19);
  print(disk, "ready role=storage listen=tcp://h:1\nfour\n");
  CHECK(agent::last_words(disk, "/n") == "four");
  print(disk, std::string(5000, 'x'));
  CHECK(agent::last_words(disk, "/n").size() == 600);
}

TEST_SUITE_END();
