// How the key of block grants changes while the cluster works: added, used, alone.
#include <charconv>
#include <utility>

#include "actors/monitor/monitor_state.h"
#include "actors/monitor/operations.h"
#include "messages/grant.h"
#include "messages/ticket.h"

namespace dfs {

using std::chrono::milliseconds;

namespace {

// Nodes ask several times meanwhile, so that each knows the new key before it is used.
constexpr int64_t kGrantKeyToldMs = 15'000;
// Nodes ask for another every few seconds; one that was removed can use what it has for so long.
constexpr Duration kWarrantLasts = std::chrono::minutes(1);

bool is_due(int64_t at_ms, int64_t now_ms) {
  return at_ms != 0 && now_ms >= at_ms;
}

Result<NodeId> node_of(const std::string& address) {
  NodeId node = 0;
  const char* const end = address.data() + address.size();
  const size_t slash = address.find('/') + 1;
  const auto [last, wrong] = std::from_chars(address.data() + slash, end, node);
  if (wrong == std::errc() && last == end && node != 0) return node;
  return Error{Code::denied, "only storage nodes ask this", {{"reason", "role"}}, 0};
}

}  // namespace

void Monitor::State::on(const Envelope& envelope, const GetGrantKeys& request) {
  const auto node = node_of(envelope.header.from);
  if (!node) return refuse(envelope, node.error());
  read(envelope, request, [this, node = *node](Rows&, const GetGrantKeys& asked) {
    return Result<GrantKeys>(grant_keys_for(node, asked.verify_key));
  });
}

// What is signed and judged follows the log.
GrantDesk& Monitor::State::grant_desk() {
  const std::string& keys = cluster().grant_key();
  DFS_ASSERT(!keys.empty());
  if (!desk || desk->keys != keys) desk.emplace(keys);
  return *desk;
}

GrantKeys Monitor::State::grant_keys_for(NodeId node, const Blob& verify_key) {
  GrantKeys told;
  if (cluster().grant_key().empty()) return told;
  told.keys.bytes = grant_desk().signer.verify_keys();
  if (verify_key.bytes.empty()) return told;
  const Warrant warrant{node, verify_key, bus.wall_ms() + kWarrantLasts / milliseconds(1)};
  told.warrant.bytes = grant_desk().signer.sign(warrant);
  return told;
}

void Monitor::State::on(const Envelope& envelope, const RotateGrantKey&) {
  AddGrantKey command;
  command.key.bytes = settings.make_grant_key();
  command.from_ms = bus.wall_ms() + kGrantKeyToldMs;
  command.until_ms =
      command.from_ms + settings.grant_lasts / milliseconds(1) + 2 * TicketJudge::kClockSkewMs;
  command.source = envelope.header.source;
  propose_for(
      envelope, command.kType, encode(command),
      [this](const Envelope& origin, const Result<Outcome>& outcome) { answer(origin, outcome); });
}

void Monitor::State::turn_grant_key() {
  if (!is_due(cluster().grant_step_ms(), bus.wall_ms()) || stopping ||
      std::exchange(reign.turning, true))
    return;
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
  rows.put(keys::cluster(), std::move(*cluster));
  rows.note("grant-key-added", {{"source", request.source}});
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
