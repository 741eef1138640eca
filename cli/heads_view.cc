#include "cli/heads_view.h"

namespace dfs::cli {

namespace {

const char* name_of_role(HeadRole role) {
  switch (role) {
    case HeadRole::unknown:
      return "unknown";
    case HeadRole::leader:
      return "leader";
    case HeadRole::follower:
      return "follower";
    case HeadRole::learner:
      return "learner";
    case HeadRole::candidate:
      return "candidate";
  }
  return "unknown";
}

// What a head says of itself.
const HeadStatus* own_status(const HeadList& list) {
  for (const HeadStatus& head : list.heads) {
    if (head.head == list.from) return &head;
  }
  return nullptr;
}

const HeadList* answer_of(const HeadsView& view, MemberId head) {
  for (const HeadList& answer : view.answers) {
    if (answer.from == head) return &answer;
  }
  return nullptr;
}

std::string heard_text(const HeadsView& view, const HeadStatus& head) {
  if (view.asked) return answer_of(view, head.head) != nullptr ? "answers" : "no answer";
  if (head.head == view.list.from) return "answers";
  if (head.silent_ms == UINT32_MAX) return "never";
  const std::string silence = human_duration(std::chrono::milliseconds(head.silent_ms));
  // A leader counts the silence of those it never heard from when it began to lead.
  return head.term == 0 ? "not for " + silence : silence + " ago";
}

std::string numbers_text(const std::vector<MemberId>& heads) {
  std::string out;
  for (size_t i = 0; i < heads.size(); ++i) {
    if (i != 0) out += i + 1 == heads.size() ? " and " : ", ";
    out += std::to_string(heads[i]);
  }
  return out;
}

bool votes(const HeadStatus& head) {
  return head.standing != Standing::learner;
}

}  // namespace

std::string role_text(const HeadStatus& head) {
  // One that was announced and has not come is a learner to be.
  const bool to_come = head.role == HeadRole::unknown && head.standing == Standing::learner;
  std::string text = name_of_role(to_come ? HeadRole::learner : head.role);
  if (head.installing) text += ", fetches a snapshot";
  if (head.standing == Standing::joining) text += ", is joining";
  if (head.standing == Standing::leaving) text += ", is leaving";
  return text;
}

std::string heads_table(const HeadsView& view) {
  using Align = TextTable::Align;
  TextTable table({{"HEAD", Align::right},
                   {"ROLE"},
                   {"TERM", Align::right},
                   {"COMMIT", Align::right},
                   {"APPLIED", Align::right},
                   {"LAG", Align::right},
                   {"HEARD", Align::right},
                   {"BROKER"},
                   {"ENDPOINT"}});
  for (const HeadStatus& listed : view.list.heads) {
    HeadStatus head = listed;
    const HeadList* answer = answer_of(view, listed.head);
    const HeadStatus* own = answer != nullptr ? own_status(*answer) : nullptr;
    if (own != nullptr) head = *own;
    if (view.asked && own == nullptr) head.role = HeadRole::unknown;
    // Only a leader can tell how much the others lack.
    const bool measured = view.list.leader != 0 && view.list.leader == view.list.from;
    const bool heard_of = head.term != 0;
    const auto known = [heard_of](uint64_t value) {
      return heard_of ? std::to_string(value) : std::string("-");
    };
    table.add({std::to_string(head.head), role_text(head), known(head.term), known(head.commit),
               known(head.applied), measured ? std::to_string(head.lag) : "-",
               heard_text(view, head), head.broker, head.endpoint});
  }
  return table.str();
}

std::string leader_text(const HeadList& list) {
  if (list.leader == 0) return "none leads";
  return "head " + std::to_string(list.leader) + " leads in term " + std::to_string(list.term);
}

std::string no_leader_text(const HeadsView& view) {
  size_t voters = 0;
  std::vector<MemberId> answering;
  for (const HeadStatus& head : view.list.heads) {
    if (!votes(head)) continue;
    ++voters;
    const bool answers =
        view.asked ? answer_of(view, head.head) != nullptr : head.head == view.list.from;
    if (answers) answering.push_back(head.head);
  }
  const size_t majority = voters / 2 + 1;
  const std::string of_all = " of " + counted(voters, "head");
  if (answering.size() >= majority) {
    return "no head leads just now, an election is under way: " + std::to_string(answering.size()) +
           of_all + " answer";
  }
  if (answering.empty()) return "no head leads: none" + of_all + " answers";
  const char* noun = answering.size() == 1 ? "head " : "heads ";
  return std::string("no head leads: only ") + noun + numbers_text(answering) + " of " +
         std::to_string(voters) + (answering.size() == 1 ? " answers, and " : " answer, and ") +
         std::to_string(majority) + " must agree";
}

std::string freshness_text(const Freshness& freshness) {
  const std::string state =
      " (the state after log entry " + std::to_string(freshness.applied) + ")";
  if (!freshness.stale) return "the answer is up to date" + state;
  if (freshness.stale_ms == UINT32_MAX) {
    return "the answer may be stale by any time: that head has heard no leader since it started" +
           state;
  }
  return "the answer may be stale: changes of the last " +
         human_duration(std::chrono::milliseconds(freshness.stale_ms)) + " may be missing" + state;
}

JsonLine& add_freshness(JsonLine& line, const Freshness& freshness) {
  line.add("stale", freshness.stale);
  if (freshness.stale_ms == UINT32_MAX) {
    line.raw("stale_ms", "null");
  } else {
    line.add("stale_ms", freshness.stale_ms);
  }
  return line.add("applied", freshness.applied);
}

}  // namespace dfs::cli
