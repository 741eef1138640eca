#include "actors/storage/membership.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include "messages/events.h"

namespace dfs::storage {

namespace {

constexpr Duration kJoinPause = std::chrono::milliseconds(300);
constexpr Duration kRefusedPause = std::chrono::seconds(5);  // after a no that will not change soon
constexpr Duration kAskDeadline = std::chrono::seconds(10);
constexpr Duration kSayAgain = std::chrono::minutes(1);
constexpr int kIdentityFormat = 1;

std::string identity_path(const std::string& directory) {
  return directory + "/identity";
}

bool is_uuid(const std::string& text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

std::string to_text(const Identity& identity) {
  return "format=" + std::to_string(kIdentityFormat) + "\nuuid=" + identity.uuid +
         "\ncluster=" + identity.cluster + "\nnode=" + std::to_string(identity.node) + "\n";
}

Result<Identity> parse_identity(const std::string& text) {
  using R = Result<Identity>;
  std::map<std::string, std::string> fields;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t equals = line.find('=');
    if (equals != std::string::npos) fields[line.substr(0, equals)] = line.substr(equals + 1);
  }
  if (std::atoi(fields["format"].c_str()) > kIdentityFormat) {
    return R(Code::unsupported, "the node's identity file has format " + fields["format"] +
                                    "; start the newer program on this directory");
  }
  Identity identity{fields["uuid"], fields["cluster"],
                    static_cast<NodeId>(std::strtoul(fields["node"].c_str(), nullptr, 10))};
  if (!is_uuid(identity.uuid)) {
    return R(Code::corrupt, "the node's identity file has no uuid of 32 hex digits");
  }
  return identity;
}

Membership::Membership(Bus& bus, Calls& calls, Disk& disk, MembershipSettings settings,
                       Vitals vitals, std::function<void()> joined)
    : bus_(bus),
      calls_(calls),
      disk_(disk),
      settings_(std::move(settings)),
      vitals_(std::move(vitals)),
      joined_callback_(std::move(joined)),
      heartbeat_period_(settings_.heartbeat_period),
      announcer_(bus, settings_.heartbeat_period) {}

Membership::~Membership() {
  bus_.cancel(heartbeat_timer_);
}

void Membership::open(std::function<void(Result<void>)> done) {
  scope_.spawn(open_directory(std::move(done)));
}

Task<void> Membership::open_directory(std::function<void(Result<void>)> done) {
  struct Outcome {
    Identity identity;
    std::shared_ptr<DiskLock> lock;
    Result<void> result;
  };
  auto outcome = std::make_shared<Outcome>();
  char uuid[40];
  std::snprintf(uuid, sizeof uuid, "%016llx%016llx", static_cast<unsigned long long>(bus_.random()),
                static_cast<unsigned long long>(bus_.random()));
  outcome->identity.uuid = uuid;
  boot_ = bus_.random();
  const auto work = [outcome, &disk = disk_, directory = settings_.directory]() -> Result<void> {
    DFS_CHECK(disk.make_directories(directory));
    auto lock = disk.lock(directory + "/lock");
    if (!lock) return std::move(lock).error();
    outcome->lock = std::move(*lock);
    auto exists = disk.exists(identity_path(directory));
    if (!exists) return std::move(exists).error();
    if (!*exists) {
      return write_file_atomically(disk, identity_path(directory), to_text(outcome->identity));
    }
    auto text = read_file(disk, identity_path(directory));
    if (!text) return std::move(text).error();
    auto identity = parse_identity(*text);
    if (!identity) return std::move(identity).error();
    outcome->identity = std::move(*identity);
    return {};
  };
  Task<Result<void>> working = run(bus_, [outcome, work] { outcome->result = work(); });
  const Result<void> ran = co_await working;
  identity_ = outcome->identity;
  lock_ = outcome->lock;
  done(ran ? outcome->result : ran);
}

void Membership::join() {
  bus_.subscribe(kMapTopic);
  if (!std::exchange(joining_, true)) scope_.spawn(keep_joining());
}

Task<void> Membership::keep_joining() {
  Code last_code = Code::ok;
  Instant last_said;
  while (true) {
    Heartbeat vitals;
    vitals_(vitals);
    Join join{.uuid = identity_.uuid,
              .cluster = identity_.cluster,
              .endpoint = bus_.endpoint(),
              .host = settings_.host,
              .rack = settings_.rack,
              .total_bytes = vitals.total_bytes,
              .used_bytes = vitals.used_bytes};
    CallOptions options;
    options.deadline = kAskDeadline;
    auto asking = calls_.ask<Join>("monitor", std::move(join), std::move(options));
    Result<Answer<Join>> answer = co_await asking;
    Result<void> accepted;
    if (answer) {
      Task<Result<void>> accepting = accept(std::move(answer->message));
      accepted = co_await accepting;
    } else {
      accepted = answer.error();
    }
    if (accepted) break;
    // Said once per reason and minute: a node may wait for its monitor for days.
    const Error& error = accepted.error();
    if (error.code != last_code || bus_.now() - last_said >= kSayAgain) {
      bus_.log(Level::warn, "not joined yet", {{"error", error.describe()}});
      last_code = error.code;
      last_said = bus_.now();
    }
    const bool soon = is_retryable(error.code);
    Task<void> pausing = sleep(bus_, soon ? kJoinPause : kRefusedPause);
    co_await pausing;
  }
  joining_ = false;
}

Task<Result<void>> Membership::accept(JoinReply reply) {
  if (!identity_.cluster.empty() && reply.cluster != identity_.cluster) {
    co_return Error{Code::denied,
                    "this directory belongs to cluster " + identity_.cluster +
                        ", but the monitor serves " + reply.cluster +
                        "; check the broker addresses, or start on an empty directory",
                    {{"cluster", identity_.cluster}, {"monitor_cluster", reply.cluster}},
                    0};
  }
  if (reply.cluster != identity_.cluster || reply.node != identity_.node) {
    Identity identity{identity_.uuid, reply.cluster, reply.node};
    auto outcome = std::make_shared<Result<void>>();
    Task<Result<void>> writing =
        run(bus_, [outcome, identity, &disk = disk_, path = identity_path(settings_.directory)] {
          *outcome = write_file_atomically(disk, path, to_text(identity));
        });
    const Result<void> ran = co_await writing;
    if (!ran) co_return ran;
    if (!*outcome) co_return *outcome;
    identity_ = identity;
  }
  const std::string address = "storage/" + std::to_string(identity_.node);
  bus_.set_address(address);
  joined_ = true;
  heartbeat_period_ = std::chrono::milliseconds(std::max(reply.heartbeat_ms, 10u));
  announcer_.begin(address);
  bus_.log(Level::info, "joined",
           {{"node", uint64_t{identity_.node}}, {"cluster", identity_.cluster}});
  joined_callback_();
  bus_.cancel(heartbeat_timer_);
  beat();
  if (epoch() < reply.epoch || reply.epoch == 0) want_map();
  co_return Result<void>();
}

void Membership::beat() {
  Heartbeat heartbeat;
  vitals_(heartbeat);
  heartbeat.node = identity_.node;
  heartbeat.boot = boot_;
  heartbeat.sequence = ++sequence_;
  heartbeat.epoch = epoch();
  bus_.publish(kHeartbeatTopic + bus_.address(), envelope_of(heartbeat));
  heartbeat_timer_ = bus_.after(heartbeat_period_, [this] { beat(); });
}

void Membership::observe(const std::string& topic, const Envelope& envelope) {
  if (topic != kMapTopic) return;
  auto map = reply_as<ClusterMap>(envelope);
  if (map) adopt(std::move(*map));
}

void Membership::adopt(ClusterMap map) {
  if (identity_.cluster.empty() || map.cluster != identity_.cluster) return;
  if (map.epoch <= epoch()) return;
  map_ = std::move(map);
  groups_.clear();
  nodes_.clear();
  for (size_t i = 0; i < map_.groups.size(); ++i) groups_[map_.groups[i].group] = i;
  for (size_t i = 0; i < map_.nodes.size(); ++i) nodes_[map_.nodes[i].node] = i;
  // Whichever heads are left later on, this node reaches one of their brokers.
  for (const HeadView& head : map_.heads) {
    if (!head.broker.empty()) bus_.add_broker(head.broker);
  }
  for (const auto& listener : listeners_) listener();
  if (!joined_ || joining_) return;
  const NodeView* const self = node(identity_.node);
  if (self != nullptr && self->uuid == identity_.uuid && self->endpoint == bus_.endpoint()) return;
  bus_.log(Level::warn, "the map does not show this node; joining again",
           {{"epoch", uint64_t{epoch()}}});
  joining_ = true;
  scope_.spawn(keep_joining());
}

const GroupView* Membership::group(GroupId group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &map_.groups[found->second];
}

const NodeView* Membership::node(NodeId node) const {
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? nullptr : &map_.nodes[found->second];
}

bool Membership::holds(GroupId number) const {
  const GroupView* const view = group(number);
  return view != nullptr && view->holds(identity_.node);
}

Result<void> Membership::admit(GroupId number, Epoch epoch) {
  if (identity_.cluster.empty()) {
    return {Code::unavailable, "this node has not joined a cluster yet; try another"};
  }
  const GroupView* const view = group(number);
  const Epoch newest = view == nullptr ? 0 : view->epoch;
  if (epoch > newest) want_map();
  if (epoch > newest || view == nullptr) return {};
  const auto stale = [&](std::string why) {
    return Error{Code::stale_map,
                 std::move(why) + "; ask for a new plan",
                 {{"epoch", std::to_string(newest)}, {"group", std::to_string(number)}},
                 0};
  };
  if (epoch < newest) {
    return stale("group " + std::to_string(number) + " is at epoch " + std::to_string(newest) +
                 ", the write came under " + std::to_string(epoch));
  }
  if (!view->has_member(identity_.node)) {
    return stale("this node is not a member of group " + std::to_string(number) + " at epoch " +
                 std::to_string(newest));
  }
  return {};
}

void Membership::want_map() {
  if (!joined_ || std::exchange(fetching_, true)) return;
  scope_.spawn(fetch_map());
}

Task<void> Membership::fetch_map() {
  CallOptions options;
  options.deadline = kAskDeadline;
  auto asking = calls_.ask<GetMap>("monitor", GetMap{}, std::move(options));
  Result<Answer<GetMap>> answer = co_await asking;
  if (answer) adopt(std::move(answer->message));
  // A writer with an epoch from the future must not make us ask all the time.
  Task<void> pausing = sleep(bus_, kJoinPause);
  co_await pausing;
  fetching_ = false;
}

}  // namespace dfs::storage
