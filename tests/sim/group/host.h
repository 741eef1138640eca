// The actor of one member of a simulated group: a Replica of Registers, and what joins it to the
// group, as the monitor does for heads.
#pragma once

#include <memory>
#include <string>

#include "actors/replica/replica.h"
#include "broker/actor.h"
#include "tests/sim/group/asker.h"
#include "tests/sim/group/registers.h"
#include "tests/sim/process.h"

namespace dfs::sim {

struct HostSettings {
  ReplicaSettings replica;
  std::string cluster;   // 32 hex digits
  bool founder = false;  // of a fresh directory: begins the group rather than asking to join it
  std::function<void(const Command&)> watch;      // called with every entry as it is applied
  std::function<void(const std::string&)> fault;  // the replica broke a promise of its own
};

class Host : public Actor {
 public:
  Host(Bus& bus, Process& process, const Directory& directory, HostSettings settings);

  static constexpr const char* kDirectory = "/group";

  void start(std::function<void(Result<void>)> ready) override;
  void receive(Envelope envelope) override;
  void link_down(const Link& link) override;
  void stop(std::function<void()> stopped) override;

  const Replica* replica() const { return replica_.get(); }  // nullptr before it has an identity
  MemberId member() const { return identity_.member; }

  void on(const Envelope& request, const ChangeRegister& change);
  void on(const Envelope& request, const ReadRegister& read);
  void on(const Envelope& request, const JoinGroup& join);
  void on(const Envelope& request, const LeaveGroup& leave);
  void on(const Envelope& request, const PassLead& pass);

 private:
  Task<void> begin(std::function<void(Result<void>)> ready);
  Task<Result<void>> identify();
  Task<Result<void>> join();
  Task<Result<void>> on_disk(std::function<Result<void>()> work);
  void open(std::function<void(Result<void>)> ready);
  void read_now(const Envelope& request, const std::string& name, Duration stale);
  MemberId member_at(const std::string& endpoint, const std::string& other_than) const;
  void refuse(const Envelope& request, const Error& error);

  Bus& bus_;
  Process& process_;
  const HostSettings settings_;
  Asker asker_;
  Registers machine_;
  Identity identity_;
  std::unique_ptr<Replica> replica_;
  bool leading_ = false;  // as the replica told
  bool stopping_ = false;
  TaskScope scope_;
};

}  // namespace dfs::sim
