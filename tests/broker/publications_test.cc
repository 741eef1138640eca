// Who may publish what: every topic there is, and every way to name somebody else.
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "broker/security.h"
#include "messages/events.h"

namespace dfs {
namespace {

// The names between two words of the comment in messages/events.h that lists all events.
std::set<std::string> listed(const std::string& from, const std::string& to) {
  std::ifstream in(std::string(DFS_MESSAGES_DIR) + "/events.h");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const size_t begin = text.find(from) + from.size();
  std::istringstream words(text.substr(begin, text.find(to, begin) - begin));
  std::set<std::string> names;
  for (std::string word; words >> word;) {
    if (word == "//") continue;
    while (word.ends_with(',') || word.ends_with('.')) word.pop_back();
    if (word.starts_with(kEventTopic)) word = word.substr(std::string_view(kEventTopic).size());
    names.insert(word);
  }
  REQUIRE(names.size() > 5);
  return names;
}

bool is_believed(const std::string& from, const Event& event, const std::string& topic) {
  Header header;
  header.from = from;
  return is_of_publisher("storage/7", kEventTopic + topic, encode_header(header), encode(event));
}

}  // namespace

TEST_SUITE("broker") {
  TEST_CASE("nodes publish the events of nodes, and none of the log's") {
    for (const std::string& name : listed("Others:", "An event with index")) {
      CAPTURE(name);
      CHECK(may_publish("storage/7", kEventTopic + name));
      CHECK(may_publish("agent/h", kEventTopic + name));
      CHECK(may_publish(kHeadPeer, kEventTopic + name));
      CHECK_FALSE(may_publish(kUnknownPeer, kEventTopic + name));
    }
    for (const std::string& name : listed("Topics of the log:", "// Others:")) {
      CAPTURE(name);
      CHECK_FALSE(may_publish("storage/7", kEventTopic + name));
      CHECK(may_publish(kHeadPeer, kEventTopic + name));
    }
    for (const char* topic :
         {"map", "tickets", "", "event", "event/", "heartbeat/", "heartbeat/storage/70",
          "heartbeat/storage/8", "event/login", "event/denied", "event/lock-broken", "anything"}) {
      CAPTURE(topic);
      CHECK_FALSE(may_publish("storage/7", topic));
    }
    CHECK(may_publish("storage/7", "heartbeat/storage/7"));
  }

  TEST_CASE("a publication names its publisher, in its header and in the event") {
    Event event;
    event.topic = "disk-full";
    event.actor = "storage/7";
    event.fields["node"] = "7";
    CHECK(is_believed("storage/7", event, "disk-full"));
    CHECK_FALSE(is_believed("storage/8", event, "disk-full"));
    CHECK_FALSE(is_believed("", event, "disk-full"));
    CHECK_FALSE(is_believed("storage/7", event, "disk-ok"));
    Event of_another = event;
    of_another.fields["node"] = "8";
    CHECK_FALSE(is_believed("storage/7", of_another, "disk-full"));
    Event by_another = event;
    by_another.actor = kLogActor;
    CHECK_FALSE(is_believed("storage/7", by_another, "disk-full"));
    Event of_the_log = event;
    of_the_log.index = 4711;
    CHECK_FALSE(is_believed("storage/7", of_the_log, "disk-full"));
    CHECK_FALSE(is_of_publisher("storage/7", "event/disk-full", "x", encode(event)));
    Header header;
    header.from = "storage/7";
    CHECK_FALSE(is_of_publisher("storage/7", "event/disk-full", encode_header(header), "x"));
    CHECK(is_of_publisher("storage/7", "heartbeat/storage/7", encode_header(header), "x"));
    CHECK(is_of_publisher(kHeadPeer, "map", "x", "x"));
    CHECK(is_of_publisher("", "map", "x", "x"));
  }
}

}  // namespace dfs
