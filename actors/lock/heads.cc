// The group of the lock actors follows the cluster's heads, which the monitor knows.
#include <algorithm>
#include <charconv>

#include "actors/lock/lock_state.h"

namespace dfs {

namespace {

constexpr Duration kJoinDeadline = std::chrono::seconds(5);
constexpr Duration kJoinPause = std::chrono::seconds(1);
constexpr Duration kLookDeadline = std::chrono::seconds(3);

// The head that "lock/3" is of; 0: none.
MemberId head_of(const std::string& address) {
  const std::string prefix = std::string(lock::kActor) + "/";
  if (!address.starts_with(prefix)) return 0;
  MemberId head = 0;
  const char* const end = address.data() + address.size();
  const auto parsed = std::from_chars(address.data() + prefix.size(), end, head);
  return parsed.ec == std::errc() && parsed.ptr == end ? head : 0;
}

bool has(const HeadList& list, MemberId head) {
  return std::any_of(list.heads.begin(), list.heads.end(),
                     [head](const HeadStatus& status) { return status.head == head; });
}

}  // namespace

// Until this head's lock actor is a member, at the endpoint that it has now.
Task<void> Lock::State::belong() {
  while (true) {
    const auto& members = replica.members().members;
    const bool member = std::any_of(members.begin(), members.end(), [&](const Member& m) {
      return m.id == identity.member && m.uuid == identity.uuid && m.endpoint == bus.endpoint() &&
             m.broker == settings.broker;
    });
    if (member) co_return;
    CallOptions options;
    options.deadline = kJoinDeadline;
    auto asking = calls.ask<AddHead>(
        kLockService, AddHead{identity.uuid, bus.endpoint(), settings.broker}, std::move(options));
    const Result<Answer<AddHead>> answer = co_await asking;
    admitted = admitted || answer.ok();
    if (!answer && !is_retryable(answer.code())) {
      bus.log(Level::warn, "the lock actor was not taken into its group",
              {{"why", answer.error().describe()}});
    }
    Task<void> pausing = sleep(bus, kJoinPause);
    co_await pausing;
  }
}

// Whoever leads must be found through every broker.
void Lock::State::heads_changed() {
  for (const Member& head : replica.members().members) {
    if (head.broker != settings.broker && !head.broker.empty()) bus.add_broker(head.broker);
  }
}

void Lock::State::take_brokers(const Envelope& envelope) {
  const auto map = decode<ClusterMap>(envelope.body);
  if (!map || map->cluster != identity.cluster) return;
  for (const HeadView& head : map->heads) {
    if (head.broker != settings.broker && !head.broker.empty()) bus.add_broker(head.broker);
  }
}

void Lock::State::on(const Envelope& envelope, const AddHead& request) {
  scope.spawn(admit(origin_of(envelope), request));
}

// It becomes a member with the number of its head, which the monitor gave, and never gives again.
Task<void> Lock::State::admit(Envelope origin, AddHead request) {
  // An address that the broker passes on only from whoever holds the cluster's secret key.
  const MemberId head = head_of(origin.header.from);
  CallOptions options;
  options.deadline = kLookDeadline;
  auto asking = calls.ask<ListHeads>("monitor", ListHeads{}, std::move(options));
  const Result<Answer<ListHeads>> heads = co_await asking;
  if (!heads) {
    refuse(origin, Error{Code::unavailable,
                         "the monitor does not say who is a head: " + heads.error().text,
                         {},
                         500});
    co_return;
  }
  if (head == 0 || request.uuid.empty() || !has(heads->message, head)) {
    refuse(origin,
           Error{Code::denied, origin.header.from + " is of no head of this cluster", {}, 0});
    co_return;
  }
  if (makes_room(head, request)) {
    refuse(origin, Error{Code::unavailable,
                         "the place of this head's lost data is being made free; ask again",
                         {},
                         200});
    co_return;
  }
  Member wanted;
  wanted.id = head;
  wanted.endpoint = request.endpoint;
  wanted.broker = request.broker;
  wanted.uuid = request.uuid;
  wanted.standing = Standing::learner;
  replica.add_member(std::move(wanted), [this, origin](const Result<MemberId>& added) {
    if (!added) {
      // Whoever had its place before may be no head any more.
      if (added.code() == Code::exists) tend_heads();
      return refuse(origin, added.error());
    }
    answer_with(origin, Result<AddHeadReply>(AddHeadReply{identity.cluster, *added}));
  });
}

// A member whose data were lost knows nothing any more of what it promised the others: it leaves,
// and comes back as somebody new. True while that is under way.
bool Lock::State::makes_room(MemberId head, const AddHead& request) {
  const auto& members = replica.members().members;
  const bool lost = std::any_of(members.begin(), members.end(), [&](const Member& member) {
    return member.id == head && member.uuid != request.uuid;
  });
  if (!lost) return false;
  replica.remove_member(head, [this, head](const Result<void>& outcome) {
    bus.log(Level::warn, "a lock actor that lost its data leaves, to join anew",
            {{"head", head}, {"outcome", outcome ? "done" : outcome.error().describe()}});
  });
  return true;
}

void Lock::State::on(const Envelope& envelope, const ListHeads& request) {
  if (refused_outsider(envelope)) return;
  if (!request.stale && !serving()) return refuse(envelope, not_serving());
  answer_with(envelope, Result<HeadList>(replica.status()));
}

void Lock::State::on(const Envelope& envelope, const TransferLead& request) {
  if (auto admin = admin_of(envelope); !admin) return refuse(envelope, admin.error());
  replica.transfer(request.to,
                   [this, origin = origin_of(envelope)](const Result<MemberId>& leader) {
                     if (!leader) return refuse(origin, leader.error());
                     answer_with(origin, Result<TransferLeadReply>(TransferLeadReply{*leader}));
                   });
}

void Lock::State::tend_heads() {
  if (stopping || !serving()) return;
  bus.cancel(reign.heads_timer);
  const Duration pause = needs_ticket ? settings.heads_period : kJoinPause;
  reign.heads_timer = bus.after(pause, [this] { tend_heads(); });
  if (!std::exchange(reign.looking, true)) scope.spawn(remove_strangers());
}

// Members whose head was taken out of the cluster.
Task<void> Lock::State::remove_strangers() {
  const uint64_t in = reigns;
  CallOptions options;
  options.deadline = kLookDeadline;
  auto asking = calls.ask<ListHeads>("monitor", ListHeads{}, std::move(options));
  const Result<Answer<ListHeads>> heads = co_await asking;
  if (in != reigns) co_return;
  reign.looking = false;
  if (!heads || heads->message.heads.empty()) co_return;
  if (!settings.locks_need_ticket) needs_ticket = heads->message.authentication;
  for (const Member& member : replica.members().members) {
    if (has(heads->message, member.id)) continue;
    const auto removed = [this, id = member.id](const Result<void>& outcome) {
      bus.log(Level::info, "a lock actor leaves with its head",
              {{"head", id}, {"outcome", outcome ? "done" : outcome.error().describe()}});
    };
    replica.remove_member(member.id, removed);
    co_return;  // one change at a time; the list of members is another one now
  }
}

}  // namespace dfs
