// Who belongs to the group, and who leads it, when somebody wants that changed.
#include <algorithm>
#include <utility>

#include "actors/replica/replica_state.h"

namespace dfs {

namespace {

constexpr size_t kMembersMax = 15;
constexpr size_t kMemberWaitsMax = 64;

// A learner that lacks no more than this many entries becomes a voter.
constexpr LogIndex kCaughtUp = 1000;

const Member* find(const ChangeMembers& members, MemberId id) {
  const auto found = std::find_if(members.members.begin(), members.members.end(),
                                  [&](const Member& member) { return member.id == id; });
  return found == members.members.end() ? nullptr : &*found;
}

bool votes(const Member& member) {
  return member.standing != Standing::learner;
}

bool joint(const ChangeMembers& members) {
  return raft::Quorum(members.members).joint();
}

// The same head: by its data directory, or by its endpoint.
Member* known_as(std::vector<Member>& members, const Member& wanted) {
  for (Member& member : members) {
    if (!wanted.uuid.empty() && member.uuid == wanted.uuid) return &member;
  }
  for (Member& member : members) {
    if (member.endpoint == wanted.endpoint) return &member;
  }
  return nullptr;
}

}  // namespace

Result<void> Replica::State::leader_refusal() const {
  DFS_CHECK(refusal());
  if (member_waits.size() >= kMemberWaitsMax) {
    return Error{Code::busy, "many changes of the members are waiting; ask again", {}, 100};
  }
  return {};
}

void Replica::State::add_member(Member wanted, std::function<void(Result<MemberId>)> done) {
  if (const auto refused = leader_refusal(); !refused) return done(refused.error());
  std::vector<Member> all = core->members().members;
  MemberId id = 0;
  if (Member* known = known_as(all, wanted)) {
    if (!known->uuid.empty() && !wanted.uuid.empty() && known->uuid != wanted.uuid) {
      return done(Error{Code::exists,
                        "head " + std::to_string(known->id) + " is at " + wanted.endpoint +
                            " already, with other data; remove it first",
                        {},
                        0});
    }
    id = known->id;
    if (wanted.uuid.empty()) wanted.uuid = known->uuid;
    const bool same_place = known->endpoint == wanted.endpoint && known->broker == wanted.broker &&
                            known->uuid == wanted.uuid;
    if (same_place) {
      return await_members([id](const ChangeMembers& now) { return find(now, id) != nullptr; },
                           [id, done](Result<void> outcome) {
                             done(outcome ? Result<MemberId>(id) : outcome.error());
                           });
    }
    known->endpoint = wanted.endpoint;
    known->broker = wanted.broker;
    known->uuid = wanted.uuid;
  } else {
    if (all.size() >= kMembersMax) {
      return done(Error{Code::invalid, "a group has at most 15 members", {}, 0});
    }
    if (wanted.id != 0 && wanted.id <= core->members().last_id && !settings.numbers_given) {
      return done(Error{Code::exists, "the number was given to another head before", {}, 0});
    }
    id = wanted.id != 0 ? wanted.id : core->members().last_id + 1;
    wanted.id = id;
    wanted.standing = Standing::learner;
    all.push_back(wanted);
  }
  change_members(
      std::move(all), id,
      [id, wanted](const ChangeMembers& now) {
        const Member* member = find(now, id);
        return member != nullptr && member->endpoint == wanted.endpoint &&
               member->broker == wanted.broker && member->uuid == wanted.uuid;
      },
      [id, done = std::move(done)](Result<void> outcome) {
        done(outcome ? Result<MemberId>(id) : outcome.error());
      });
}

void Replica::State::remove_member(MemberId id, Go done) {
  if (const auto refused = leader_refusal(); !refused) return done(refused);
  const ChangeMembers& current = core->members();
  if (id == 0 || id > current.last_id) {
    return done(Error{Code::not_found, "there is no head " + std::to_string(id), {}, 0});
  }
  auto gone = [id](const ChangeMembers& now) { return !joint(now) && find(now, id) == nullptr; };
  if (find(current, id) == nullptr) return await_members(std::move(gone), std::move(done));
  if (const auto removable_now = removable(id); !removable_now) return done(removable_now);
  if (id == self.member) {
    // Its successor is to be asked.
    return transfer(0, [weak = weak_from_this(), done](Result<MemberId> next) {
      const auto state = weak.lock();
      if (next && state) return done(state->not_leader());
      done(next ? Result<void>(Code::stopping, "this replica is going away") : next.error());
    });
  }
  std::vector<Member> rest = current.members;
  std::erase_if(rest, [&](const Member& member) { return member.id == id; });
  change_members(std::move(rest), 0, std::move(gone), std::move(done));
}

Result<void> Replica::State::removable(MemberId id) const {
  size_t voters = 0;
  size_t near = 0;
  for (const Member& member : core->members().members) {
    if (member.id == id || !votes(member)) continue;
    ++voters;
    near += member.id == self.member || in_contact(member.id) ? 1 : 0;
  }
  if (voters == 0) return {Code::invalid, "it is the only head that votes; add another first"};
  if (near * 2 > voters) return {};
  return {Code::invalid, "of the " + std::to_string(voters) + " heads left only " +
                             std::to_string(near) +
                             " are in contact, which is no majority; bring them back first"};
}

void Replica::State::change_members(std::vector<Member> wanted, MemberId last_id,
                                    std::function<bool(const ChangeMembers&)> reached, Go done) {
  const auto index = core->change_members(now(), wanted, last_id, bus.wall_ms());
  if (!index) return done(index.error());
  await_members(std::move(reached), std::move(done));
  pump();
}

// Until it is so in what was applied.
void Replica::State::await_members(std::function<bool(const ChangeMembers&)> reached, Go done) {
  if (reached(members)) return done({});
  member_waits.push_back({std::move(reached), std::move(done)});
}

void Replica::State::answer_members() {
  for (auto wait = member_waits.begin(); wait != member_waits.end();) {
    if (!wait->reached(members)) {
      ++wait;
      continue;
    }
    const Go done = std::move(wait->done);
    member_waits.erase(wait);
    done({});
    if (!running()) return;
    wait = member_waits.begin();  // the callback may have asked for more
  }
}

// What a leader does for the members by itself: one that has caught up may vote, and its own
// addresses are those that it has now.
void Replica::State::tend_members() {
  if (leading_term == 0 || !needs_tending()) return;
  if (core->members_index() > applied.index || joint(members)) return;
  std::vector<Member> wanted = core->members().members;
  bool changed = false;
  for (Member& member : wanted) {
    if (member.id == self.member && (member.endpoint != endpoint || member.broker != broker)) {
      member.endpoint = endpoint;
      member.broker = broker;
      changed = true;
    }
    if (votes(member) || changed || !in_contact(member.id)) continue;
    const raft::Progress& progress = core->progress().at(member.id);
    if (progress.flow != raft::Flow::replicate) continue;
    if (progress.match + kCaughtUp < core->log().last()) continue;
    member.standing = Standing::voter;
    changed = true;
  }
  if (!changed) return;
  if (core->change_members(now(), wanted, 0, bus.wall_ms())) pump_again = true;
}

bool Replica::State::needs_tending() const {
  return std::any_of(members.members.begin(), members.members.end(), [&](const Member& m) {
    return !votes(m) || (m.id == self.member && (m.endpoint != endpoint || m.broker != broker));
  });
}

bool Replica::State::in_contact(MemberId id) const {
  const auto found = core->progress().find(id);
  if (found == core->progress().end() || !found->second.heard) return false;
  return found->second.contact + settings.election_max > now();
}

bool Replica::State::others_vote() const {
  return std::any_of(core->members().members.begin(), core->members().members.end(),
                     [&](const Member& m) { return m.id != self.member && votes(m); });
}

void Replica::State::transfer(MemberId to, std::function<void(Result<MemberId>)> done) {
  if (const auto refused = leader_refusal(); !refused) return done(refused.error());
  if (to == self.member) return done(to);
  if (transfer_done) {
    return done(Error{Code::busy, "leadership is being handed over already", {}, 100});
  }
  if (const auto begun = core->transfer(now(), to); !begun) return done(begun.error());
  transfer_done = std::move(done);
  // It may have worked although its successor is not heard of.
  jobs.after(3 * settings.election_max, guarded([number = ++transfer_number](State& state) {
               if (!state.transfer_done || state.transfer_number != number) return;
               state.end_transfer(Error{Code::timeout, "no other head took over", {}, 0});
             }));
  pump();
}

void Replica::State::notice_transfer() {
  if (!transfer_done) return;
  if (core->role() == raft::Role::leader) {
    if (!core->transferring()) {
      end_transfer(Error{Code::timeout, "no other head took over; this one still leads", {}, 0});
    }
  } else if (core->leader() != 0) {
    end_transfer(core->leader());
  }
}

void Replica::State::end_transfer(Result<MemberId> outcome) {
  const auto alive = shared_from_this();
  const auto done = std::exchange(transfer_done, nullptr);
  done(std::move(outcome));
}

}  // namespace dfs
