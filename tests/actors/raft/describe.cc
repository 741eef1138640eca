#include "tests/actors/raft/describe.h"

namespace dfs::raft {

namespace {

std::string text_of(uint64_t number) {
  return std::to_string(number);
}
std::string position(LogIndex index, uint64_t term) {
  return text_of(index) + "/" + text_of(term);
}
std::string member(MemberId id) {
  return id == 0 ? "nobody" : text_of(id);
}

std::string what(const RequestVote& m) {
  return std::string(m.pre ? "RequestVote (pre)" : "RequestVote") +
         (m.transfer ? " (transfer)" : "") + " last " + position(m.last_index, m.last_term);
}
std::string what(const RequestVoteReply& m) {
  return std::string(m.pre ? "RequestVoteReply (pre) " : "RequestVoteReply ") +
         (m.granted ? "granted" : "denied");
}
std::string what(const AppendEntries& m) {
  std::string text = "AppendEntries after " + position(m.prev_index, m.prev_term) + " commit " +
                     text_of(m.commit) + " round " + text_of(m.round);
  for (const auto& entry : m.entries) text += " [" + describe(*entry) + "]";
  return text;
}
std::string what(const AppendEntriesReply& m) {
  std::string text = "AppendEntriesReply after " + text_of(m.prev_index);
  if (m.accepted) {
    text += " accepted up to " + text_of(m.index);
  } else {
    text += " refused, perhaps at " + position(m.index, m.hint_term);
  }
  return text + " applied " + text_of(m.applied) + " round " + text_of(m.round);
}
std::string what(const InstallSnapshot& m) {
  return "InstallSnapshot at " + position(m.index, m.index_term) + " with " + describe(m.members);
}
std::string what(const TimeoutNow&) {
  return "TimeoutNow";
}

}  // namespace

const char* name_of(Role role) {
  switch (role) {
    case Role::follower:
      return "follower";
    case Role::pre_candidate:
      return "pre-candidate";
    case Role::candidate:
      return "candidate";
    case Role::leader:
      return "leader";
  }
  return "?";
}

const char* name_of(Flow flow) {
  switch (flow) {
    case Flow::probe:
      return "probe";
    case Flow::replicate:
      return "replicate";
    case Flow::snapshot:
      return "snapshot";
  }
  return "?";
}

std::string describe(const Message& message) {
  const std::string text = std::visit([](const auto& m) { return what(m); }, message);
  return text_of(sender_of(message)) + ">" + text_of(target_of(message)) + " term " +
         text_of(term_of(message)) + " " + text;
}

std::string describe(const LogEntry& entry) {
  std::string text = position(entry.index, entry.term) + " ";
  if (entry.type == BecomeLeader::kType) return text + "(leader)";
  if (entry.type == ChangeMembers::kType) {
    return text + describe(decode<ChangeMembers>(entry.body).value());
  }
  return text + entry.body;
}

std::string describe(const Save& save) {
  std::string text = "saves";
  if (save.hard) text += " term " + text_of(save.hard->term) + " vote " + member(save.hard->vote);
  if (save.truncate_from != 0) text += " truncation from " + text_of(save.truncate_from);
  for (const auto& entry : save.entries) text += " [" + describe(*entry) + "]";
  return text;
}

std::string describe(const ChangeMembers& members) {
  std::string text;
  for (const Member& each : members.members) {
    text += text.empty() ? "{" : " ";
    if (each.standing == Standing::learner) text += "~";
    if (each.standing == Standing::joining) text += "+";
    if (each.standing == Standing::leaving) text += "-";
    text += text_of(each.id);
  }
  return text + "}";
}

std::string describe(const Read& read) {
  return "read " + text_of(read.id) +
         (read.confirmed ? " may be served at " + text_of(read.index) : " has failed");
}

std::string describe(const Fetch& fetch) {
  return "reads its log from " + text_of(fetch.from) + " for " + text_of(fetch.member);
}

std::string describe_state(const Raft& core) {
  return std::string("is ") + name_of(core.role()) + " in term " + text_of(core.term()) +
         ", leader " + member(core.leader()) + ", log up to " +
         position(core.log().last(), core.log().last_term()) + ", commit " +
         text_of(core.known_commit());
}

std::string describe_progress(const Raft& core) {
  std::string text;
  for (const auto& [id, progress] : core.progress()) {
    if (!text.empty()) text += "; ";
    text += text_of(id) + " " + name_of(progress.flow) + " match " + text_of(progress.match) +
            " next " + text_of(progress.next);
    if (progress.waiting) text += " waiting";
    if (progress.fetching) text += " fetching";
    if (!progress.flights.empty()) text += " flights " + text_of(progress.flights.size());
  }
  return text;
}

void narrate(Group& group, std::function<void(const std::string&)> say) {
  const auto of = [](const Node& node) { return text_of(node.id) + " "; };
  group.observer.sent = [=](const Message& m) { say(describe(m)); };
  group.observer.saving = [=](const Node& node, const Save& save) {
    say(of(node) + describe(save));
  };
  group.observer.applied = [=](const Node& node, const LogEntry& entry) {
    say(of(node) + "applies [" + describe(entry) + "]");
  };
  group.observer.read = [=](const Node& node, const Read& read) { say(of(node) + describe(read)); };
  group.observer.fetching = [=](const Node& node, const Fetch& fetch) {
    say(of(node) + describe(fetch));
  };
  group.observer.installing = [=](const Node& node, const InstallSnapshot& offer) {
    say(of(node) + "fetches the snapshot at " + position(offer.index, offer.index_term));
  };
  group.observer.changed = [=](const Node& node) { say(of(node) + describe_state(*node.core)); };
}

}  // namespace dfs::raft
