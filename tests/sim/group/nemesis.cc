#include "tests/sim/group/nemesis.h"

namespace dfs::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

GroupNemesis::GroupNemesis(World& world, Group& group, const GroupOptions& options, Random random)
    : world_(world),
      group_(group),
      options_(options),
      random_(random),
      harms_(world, random_.fork(), options.crash_machines),
      machines_(group.hosts()) {
  machines_.insert(machines_.end(), group.clients().begin(), group.clients().end());
  const auto add = [this](bool on, Harm harm) {
    if (on) kinds_.push_back(std::move(harm));
  };
  add(options.kill, [this] { harms_.kill(*random_.pick(group_.hosts())); });
  add(options.kill_leader, [this] { kill_leader(); });
  add(options.kill_clients, [this] { harms_.kill(*random_.pick(group_.clients())); });
  add(options.freeze, [this] { harms_.freeze(victim()); });
  add(options.partition, [this] { harms_.partition(machines_); });
  add(options.split, [this] { harms_.split(group_.hosts(), some_hosts()); });
  add(options.break_connections, [this] { harms_.break_connections(victim()); });
  // Requests are remembered for minutes of logged time; jumps must not add up to that.
  add(options.jump_clocks, [this] { harms_.jump_clock(victim(), 20'000); });
  add(options.stop_orderly, [this] { harms_.stop(victim()); });
  add(options.fill_disks, [this] { harms_.fill_disk(victim(), 64 << 10); });
  add(options.break_disks, [this] { harms_.break_disk(victim()); });
  add(options.slow_disks, [this] { harms_.slow_disk(victim()); });
  add(options.transfer, [this] {
    const Link to = random_.chance(0.3) ? Link() : random_.pick(group_.endpoints());
    Group::caller(group_.operator_process()).scope().spawn(transfer(to));
  });
  add(options.change_members, [this] { random_.chance(0.5) ? enlist() : remove(); });
  add(options.replace_disks, [this] { replace(); });
}

void GroupNemesis::begin() {
  active_ = true;
  if (!kinds_.empty()) schedule();
}

void GroupNemesis::schedule() {
  const Duration pause = random_.between(Duration(0), options_.fault_every * 2);
  world_.after(pause, [this] {
    if (!active_) return;
    ++count_;
    random_.pick(kinds_)();
    schedule();
  });
}

void GroupNemesis::end() {
  active_ = false;
  harms_.end();
  group_.start_all();
}

Process& GroupNemesis::victim() {
  Process* const leader = group_.leader();
  return leader != nullptr && random_.chance(0.4) ? *leader : *random_.pick(group_.hosts());
}

// The leader alone, or anybody.
std::vector<Process*> GroupNemesis::some_hosts() {
  Process* const leader = group_.leader();
  if (leader != nullptr && random_.chance(0.6)) return {leader};
  std::vector<Process*> some;
  for (Process* host : group_.hosts()) {
    if (random_.chance(0.4)) some.push_back(host);
  }
  return some;
}

void GroupNemesis::kill_leader() {
  if (Process* const leader = group_.leader()) harms_.kill(*leader);
}

// ---- members

bool GroupNemesis::may_change() const {
  return !changing_ && group_.settled();
}

size_t GroupNemesis::members() const {
  return Group::replica(*group_.leader())->members().members.size();
}

void GroupNemesis::enlist() {
  if (!may_change()) return;
  for (Process* process : group_.hosts()) {
    if (!group_.spare(*process)) continue;
    group_.enlist(*process);
    process->start();
    return;
  }
}

void GroupNemesis::remove() {
  Process& process = victim();
  if (!may_change() || group_.spare(process) || members() < 2) return;
  const Replica* const replica = Group::replica(process);
  if (replica == nullptr) return;
  changing_ = true;
  Group::caller(group_.operator_process()).scope().spawn(remove_member(&process, replica->id()));
}

void GroupNemesis::replace() {
  Process& process = victim();
  if (!may_change() || group_.spare(process)) return;
  // The others must be able to go on without it.
  const Replica* const replica = Group::replica(process);
  if (replica == nullptr || members() < 3) return;
  changing_ = true;
  Group::caller(group_.operator_process()).scope().spawn(replace_member(&process, replica->id()));
}

Task<void> GroupNemesis::transfer(Link to) {
  bool surely_not = false;
  Asker::Options options;
  options.deadline = seconds(3);
  Task<Result<PassLeadReply>> asking =
      Group::caller(group_.operator_process()).asker().ask(PassLead{to}, options, &surely_not);
  [[maybe_unused]] Result<PassLeadReply> passed = co_await asking;
}

// `insist`: again and again, since it must not remain a member. Otherwise until it is known whether
// it is one.
Task<void> GroupNemesis::leave(MemberId member, bool insist, bool* left) {
  Caller& caller = Group::caller(group_.operator_process());
  *left = false;
  while (true) {
    bool surely_not = false;
    Task<Result<LeaveGroupReply>> asking =
        caller.asker().ask(LeaveGroup{member, "", ""}, {}, &surely_not);
    Result<LeaveGroupReply> answer = co_await asking;
    world_.trace("operator", "operator", member,
                 answer ? "left" : "did not leave: " + answer.error().describe());
    *left = answer.ok();
    // Once it may have happened, only its having happened is certain.
    insist = insist || !surely_not;
    if (answer || !insist) co_return;
    Task<void> pausing = sleep(caller.bus(), milliseconds(300));
    co_await pausing;
  }
}

Task<void> GroupNemesis::remove_member(Process* process, MemberId member) {
  bool left = false;
  Task<void> leaving = leave(member, false, &left);
  co_await leaving;
  if (left) {
    // It may go on for a while and not know.
    Task<void> pausing = sleep(Group::caller(group_.operator_process()).bus(),
                               random_.between(milliseconds(0), milliseconds(3000)));
    co_await pausing;
    group_.make_spare(*process);
    group_.replace_disk(*process);
  }
  changing_ = false;
}

Task<void> GroupNemesis::replace_member(Process* process, MemberId member) {
  process->out_of_service = true;
  group_.replace_disk(*process);
  bool left = false;
  Task<void> leaving = leave(member, true, &left);
  co_await leaving;
  process->out_of_service = false;
  process->start();
  changing_ = false;
}

}  // namespace dfs::sim
