// A group in the world: the machines of its members, of its clients and of its operator.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/sim/findings.h"
#include "tests/sim/group/host.h"
#include "tests/sim/group/options.h"
#include "tests/sim/group/timeline.h"
#include "tests/sim/process.h"
#include "tests/sim/raft_checker.h"
#include "tests/sim/world.h"

namespace dfs::sim {

// A client of the group.
class Caller : public Actor {
 public:
  Caller(Bus& bus, const Directory& directory) : bus_(bus), asker_(bus, directory) {}

  void start(std::function<void(Result<void>)> ready) override { ready({}); }
  void receive(Envelope envelope) override { (void)asker_.calls().receive(envelope); }
  void link_down(const Link& link) override { asker_.calls().link_down(link); }

  Bus& bus() { return bus_; }
  Asker& asker() { return asker_; }
  TaskScope& scope() { return scope_; }

 private:
  Bus& bus_;
  Asker asker_;
  TaskScope scope_;
};

class Group : public Directory {
 public:
  Group(World& world, const GroupOptions& options, RaftChecker& checker, Findings& findings);
  ~Group() override;

  const std::vector<Link>& endpoints() const override { return endpoints_; }
  Link endpoint_of(const std::string& address) const override;

  void start_all();  // those that do not run and are in service
  // Restarts whoever could not start for a reason that may pass. Returns why somebody cannot ever
  // start, or nothing.
  std::string revive();

  const std::vector<Process*>& hosts() const { return hosts_; }  // spares last
  const Timeline& timeline() const { return timeline_; }
  const std::vector<Process*>& clients() const { return clients_; }
  Process& operator_process() { return *operator_; }  // no fault touches it
  // Whether it is to be no member; it is out of service then.
  bool spare(const Process& process) const { return spares_.contains(&process); }
  void enlist(Process& process);
  void make_spare(Process& process);

  static Caller& caller(Process& process) { return static_cast<Caller&>(process.actor()); }
  // What runs there, or nullptr.
  static const Replica* replica(const Process& process);
  Process* leader() const;  // of the highest term, or nullptr
  // Every host is a voter and has applied all that the leader has. Otherwise tells what is missing.
  bool converged(std::string& why) const;
  // All hosts but the spares are voters, for all that the leader knows.
  bool settled() const;

  // The process must not run; what it was a member of is for others to settle.
  void replace_disk(Process& process);

 private:
  ProcessSettings settings(const std::string& name) const;
  Process& add_caller(const std::string& name);

  World& world_;
  RaftChecker& checker_;
  Timeline timeline_;
  std::vector<Link> endpoints_;
  std::vector<Process*> hosts_;
  std::vector<Process*> clients_;
  std::set<const Process*> spares_;
  Process* operator_ = nullptr;
  bool founded_ = false;  // the founder's first disk was replaced: nobody founds it again
};

}  // namespace dfs::sim
