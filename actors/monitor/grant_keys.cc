// How the key of block grants changes while the cluster works: added, used, alone.
#include <utility>

#include "actors/monitor/monitor_state.h"
#include "actors/monitor/operations.h"
#include "messages/grant.h"
#include "messages/ticket.h"

namespace dfs {

namespace {

// Nodes ask several times meanwhile, so that each knows the new key before it is used.
constexpr int64_t kGrantKeyToldMs = 15'000;

bool is_due(int64_t at_ms, int64_t now_ms) {
  return at_ms != 0 && now_ms >= at_ms;
}

}  // namespace

void Monitor::State::on(const Envelope& envelope, const GetGrantKeys& request) {
  read(envelope, request, [this](Rows&, const GetGrantKeys&) {
    return Result<GrantKeys>(GrantKeys{{cluster().grant_key()}});
  });
}

AddGrantKey Monitor::State::next_grant_key() const {
  AddGrantKey command;
  command.key.bytes = settings.make_grant_key();
  command.from_ms = bus.wall_ms() + kGrantKeyToldMs;
  command.until_ms = command.from_ms + settings.grant_lasts / std::chrono::milliseconds(1) +
                     2 * TicketJudge::kClockSkewMs;
  return command;
}

void Monitor::State::on(const Envelope& envelope, const RotateGrantKey&) {
  AddGrantKey command = next_grant_key();
  command.source = envelope.header.source;
  propose_for(
      envelope, command.kType, encode(command),
      [this](const Envelope& origin, const Result<Outcome>& outcome) { answer(origin, outcome); });
}

// In a change that was under way the node was told the new key too; so another one follows it.
void Monitor::State::change_known_grant_key() {
  if (stopping || std::exchange(reign.turning, true)) return;
  propose(next_grant_key(), [this](const Result<Outcome>& outcome) {
    reign.turning = false;
    if (!outcome) command_failed("AddGrantKey", outcome.error());
  });
}

void Monitor::State::turn_grant_key() {
  const int64_t next_ms = cluster().grant_step_ms();
  if (next_ms == 0 && cluster().grant_known()) return change_known_grant_key();
  if (!is_due(next_ms, bus.wall_ms()) || stopping || std::exchange(reign.turning, true)) return;
  propose(TurnGrantKey{bus.wall_ms()}, [this](const Result<Outcome>& outcome) {
    reign.turning = false;
    if (!outcome) command_failed("TurnGrantKey", outcome.error());
  });
}

Result<RotateGrantKeyReply> add_grant_key(VersionedRows& rows, const AddGrantKey& request) {
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  if (cluster->grant_key.bytes.empty()) {
    return Error{
        Code::invalid, "this cluster demands no authentication, and makes no grants", {}, 0};
  }
  if (cluster->grant_key.bytes.size() != kGrantKeyBytes) {
    return Error{Code::exists,
                 "the key of grants is being changed already; ask again when that is done",
                 {},
                 0};
  }
  cluster->grant_key.bytes += request.key.bytes;
  cluster->grant_turn_ms = request.from_ms;
  cluster->grant_drop_ms = request.until_ms;
  const bool was_known = std::exchange(cluster->grant_known, false);
  rows.put(keys::cluster(), std::move(*cluster));
  std::map<std::string, std::string> fields = {{"source", request.source}};
  if (was_known) fields.emplace("reason", "a node that knew the one before was removed");
  rows.note("grant-key-added", std::move(fields));
  return RotateGrantKeyReply{request.from_ms, request.until_ms, rows.receipt()};
}

Result<Done> turn_grant_key(VersionedRows& rows, const TurnGrantKey& request) {
  auto cluster = rows.require<ClusterRow>(keys::cluster());
  if (!cluster) return cluster.error();
  std::string& key = cluster->grant_key.bytes;
  if (is_due(cluster->grant_turn_ms, request.now_ms)) {
    key = key.substr(kGrantKeyBytes) + key.substr(0, kGrantKeyBytes);
    cluster->grant_turn_ms = 0;
  } else if (cluster->grant_turn_ms == 0 && is_due(cluster->grant_drop_ms, request.now_ms)) {
    key.resize(kGrantKeyBytes);
    cluster->grant_drop_ms = 0;
  } else {
    return Done{};
  }
  rows.put(keys::cluster(), std::move(*cluster));
  return Done{};
}

}  // namespace dfs
