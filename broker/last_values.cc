#include "broker/last_values.h"

#include "messages/events.h"
#include "messages/users.h"

namespace dfs {
namespace {

size_t bytes_of(const LastValues::Value& value) {
  return value.topic.size() + value.header.size() + value.body.size();
}

}  // namespace

bool LastValues::keeps(std::string_view topic) {
  return topic == kMapTopic || topic == kTicketsTopic || topic.starts_with(kHeartbeatTopic);
}

void LastValues::put(std::string_view topic, std::string_view header, std::string_view body,
                     Instant now) {
  const auto known = by_topic_.find(topic);
  if (known != by_topic_.end()) forget(known->second);
  const Value& value =
      values_.emplace_back(Value{std::string(topic), std::string(header), std::string(body), now});
  by_topic_.emplace(value.topic, std::prev(values_.end()));
  bytes_ += bytes_of(value);
  while (values_.size() > limits_.topics_max || bytes_ > limits_.bytes_max) {
    forget(values_.begin());
  }
}

std::vector<const LastValues::Value*> LastValues::matching(std::string_view prefix,
                                                           Instant now) const {
  std::vector<const Value*> found;
  for (auto it = by_topic_.lower_bound(prefix); it != by_topic_.end(); ++it) {
    const Value& value = *it->second;
    if (!value.topic.starts_with(prefix)) break;
    const bool fades = value.topic.starts_with(kHeartbeatTopic);
    if (fades && now - value.stored > limits_.heartbeat_age_max) continue;
    found.push_back(&value);
  }
  return found;
}

void LastValues::forget(Values::iterator value) {
  bytes_ -= bytes_of(*value);
  by_topic_.erase(value->topic);
  values_.erase(value);
}

}  // namespace dfs
