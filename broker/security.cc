#include "broker/security.h"

#include <algorithm>
#include <array>

#include "messages/envelope.h"
#include "messages/events.h"

namespace dfs {

namespace {

// What nodes tell of, besides that they live. Everything else is of the log, and for heads.
constexpr std::array<std::string_view, 12> kNodeEvents = {
    "block-corrupt",  "block-repaired",   "blocks-reclaimed", "disk-full",
    "disk-ok",        "directory-failed", "segment-fenced",   "storage-recovered",
    "scrub-finished", "broker-up",        "node-failing",     "node-given-up"};

// Names that only their owners have. A client takes any other it likes.
constexpr std::array<std::string_view, 6> kGuarded = {"monitor",  "lock",   "head",
                                                      "storage/", "agent/", "broker"};
// Of an event that a node publishes.
constexpr const char* kNodeField = "node";
constexpr std::string_view kStorage = "storage/";

bool is_guarded(std::string_view name) {
  return std::any_of(kGuarded.begin(), kGuarded.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace

void KnownKeys::set(const std::string& origin, Names names) {
  const std::lock_guard lock(mutex_);
  origins_[origin] = std::move(names);
  names_.clear();
  for (const auto& [each, given] : origins_) names_.insert(given.begin(), given.end());
}

std::string KnownKeys::name_of(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(key);
  return found == names_.end() ? kUnknownPeer : found->second;
}

std::string Security::endpoint_suffix() const {
  if (!served) return std::string("#") + kPlainSuffix;
  const std::string& key = served->public_key;
  const bool of_cluster =
      std::find(cluster_keys.begin(), cluster_keys.end(), key) != cluster_keys.end();
  return of_cluster ? std::string() : "#" + key;
}

const char* name_of(Audience audience) {
  switch (audience) {
    case Audience::all:
      return "all";
    case Audience::nodes:
      return "nodes";
    case Audience::heads:
      return "heads";
  }
  return "heads";
}

bool admits(std::string_view audience, std::string_view peer) {
  if (audience == name_of(Audience::all)) return true;
  if (audience == name_of(Audience::nodes)) return peer != kUnknownPeer;
  return peer == kHeadPeer;
}

LinkParts parts_of(const Link& link) {
  const size_t mark = link.find('#');
  if (mark == Link::npos) return {link, {}};
  return {link.substr(0, mark), link.substr(mark + 1)};
}

bool may_speak_as(std::string_view peer, std::string_view name) {
  return peer.empty() || peer == name || peer == kHeadPeer || !is_guarded(name);
}

bool may_announce(std::string_view peer, std::string_view service) {
  return may_speak_as(peer, service) && peer != kUnknownPeer;
}

bool may_publish(std::string_view peer, std::string_view topic) {
  if (peer.empty() || peer == kHeadPeer) return true;
  if (peer == kUnknownPeer) return false;
  const auto after = [&](std::string_view prefix) { return topic.substr(prefix.size()); };
  if (topic.starts_with(kHeartbeatTopic)) return after(kHeartbeatTopic) == peer;
  if (!topic.starts_with(kEventTopic)) return false;
  const std::string_view event = after(kEventTopic);
  return std::find(kNodeEvents.begin(), kNodeEvents.end(), event) != kNodeEvents.end();
}

bool is_of_publisher(std::string_view peer, std::string_view topic, std::string_view header,
                     std::string_view body) {
  if (peer.empty() || peer == kHeadPeer) return true;
  const auto decoded = decode_header(header);
  if (!decoded || decoded->from != peer) return false;
  if (!topic.starts_with(kEventTopic)) return true;
  const auto event = decode<Event>(body);
  if (!event || event->index != 0 || event->actor != peer) return false;
  if (event->topic != topic.substr(std::string_view(kEventTopic).size())) return false;
  if (!peer.starts_with(kStorage)) return true;
  const auto node = event->fields.find(kNodeField);
  return node == event->fields.end() || node->second == peer.substr(kStorage.size());
}

}  // namespace dfs
