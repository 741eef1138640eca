#include "actors/storage/membership.h"

#include <algorithm>
#include <cstdio>

#include "messages/agents.h"
#include "messages/events.h"
#include "messages/grant_keys.h"

namespace dfs::storage {

namespace {

constexpr Duration kJoinPause = std::chrono::milliseconds(300);
constexpr Duration kRefusedPause = std::chrono::seconds(5);  // after a no that will not change soon
constexpr Duration kAskDeadline = std::chrono::seconds(10);
constexpr Duration kSayAgain = std::chrono::minutes(1);
constexpr Duration kOwnGrantLasts = std::chrono::minutes(1);  // made anew with each warrant
constexpr size_t kOwnGrantsMax = 1024;
constexpr Duration kKeyPause = std::chrono::seconds(4);  // between looks at the keys of grants

std::string reason_of(const Error& error) {
  const auto found = error.cause.find("reason");
  return found == error.cause.end() ? std::string() : found->second;
}

}  // namespace

Membership::Membership(Bus& bus, Calls& calls, Disk& disk, MembershipSettings settings,
                       Vitals vitals, std::function<void()> joined)
    : bus_(bus),
      calls_(calls),
      disk_(disk),
      settings_(std::move(settings)),
      token_(settings_.token),
      vitals_(std::move(vitals)),
      joined_callback_(std::move(joined)),
      signer_(settings_.random_bytes(kGrantKeyBytes)),
      heartbeat_period_(settings_.heartbeat_period),
      announcer_(bus, settings_.heartbeat_period) {}

Membership::~Membership() {
  bus_.cancel(heartbeat_timer_);
}

void Membership::open(std::function<void(Result<void>)> done) {
  scope_.spawn(open_directories(std::move(done)));
}

Task<void> Membership::open_directories(std::function<void(Result<void>)> done) {
  char uuid[40];
  std::snprintf(uuid, sizeof uuid, "%016llx%016llx", static_cast<unsigned long long>(bus_.random()),
                static_cast<unsigned long long>(bus_.random()));
  boot_ = bus_.random();
  std::vector<GivenDirectory> given;
  for (const std::string& path : settings_.directories) {
    char name[20];
    std::snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(bus_.random()));
    given.push_back({path, name, !settings_.unusable.contains(path)});
  }
  using Outcome = Result<OpenDirectories>;
  auto outcome = std::make_shared<Outcome>(OpenDirectories());
  Task<Result<void>> working = run(bus_, [outcome, given, uuid = std::string(uuid), &disk = disk_] {
    *outcome = storage::open_directories(disk, given, uuid);
  });
  const Result<void> ran = co_await working;
  if (*outcome) directories_ = std::move(**outcome);
  done(!ran ? ran : *outcome ? Result<void>() : Result<void>(outcome->error()));
}

void Membership::join() {
  bus_.subscribe(kMapTopic);
  if (!std::exchange(joining_, true)) scope_.spawn(keep_joining());
}

Task<void> Membership::keep_joining() {
  Code last_code = Code::ok;
  std::string last_reason;
  Instant last_said;
  bool shows_token = identity().node == 0;
  while (true) {
    Heartbeat vitals;
    vitals_(vitals);
    Join join{.uuid = identity().uuid,
              .cluster = identity().cluster,
              .endpoint = bus_.endpoint(),
              .host = settings_.host,
              .rack = settings_.rack,
              .total_bytes = vitals.total_bytes,
              .used_bytes = vitals.used_bytes,
              .node = identity().node,
              .token = shows_token ? token_ : std::string(),
              .key = settings_.key,
              .verify_key = {signer_.verify_keys()}};
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
    const std::string reason = reason_of(error);
    const bool forgotten = is_forgotten(error);
    if (error.code != last_code || reason != last_reason || bus_.now() - last_said >= kSayAgain) {
      say_not_joined(error, forgotten);
      last_code = error.code;
      last_reason = reason;
      last_said = bus_.now();
    }
    if ((forgotten || reason == kOtherKey) && !shows_token && !token_.empty()) {
      shows_token = true;
      continue;
    }
    if (!forgotten && settings_.refused && error.code == Code::denied && !reason.empty()) {
      settings_.refused(error);
      co_return;
    }
    const bool soon = is_retryable(error.code);
    Task<void> pausing = sleep(bus_, soon ? kJoinPause : kRefusedPause);
    co_await pausing;
    if (!forgotten) continue;
    Task<void> looking = look_for_token();
    co_await looking;
    shows_token = true;
  }
  joining_ = false;
}

// Heads that were made anew know no node, and want a token of those too that have a number. An
// administrator will bring one, so this node does not end.
bool Membership::is_forgotten(const Error& error) const {
  if (identity().node == 0 || error.code != Code::denied) return false;
  const std::string reason = reason_of(error);
  return reason == kTokenMissing || reason == kTokenUnknown || reason == kTokenExpired ||
         reason == kTokenUsed;
}

void Membership::say_not_joined(const Error& error, bool forgotten) {
  if (!forgotten) return bus_.log(Level::warn, "not joined yet", {{"error", error.describe()}});
  bus_.log(Level::warn, "the heads do not know this node any more",
           {{"node", identity().node},
            {"error", error.describe()},
            {"what_to_do",
             "dfsctl node token --uses N makes a token for N nodes; write it into the file that "
             "join-token names as @FILE, which is read again before each try, or start this node "
             "again with --join-token"}});
}

Task<void> Membership::look_for_token() {
  if (!settings_.read_token) co_return;
  const auto found = std::make_shared<std::string>();
  Task<Result<void>> reading = run(bus_, [found, read = settings_.read_token] { *found = read(); });
  const Result<void> ran = co_await reading;
  if (ran && !found->empty()) token_ = *found;
}

Task<Result<void>> Membership::accept(JoinReply reply) {
  if (!identity().cluster.empty() && reply.cluster != identity().cluster) {
    co_return Error{Code::denied,
                    "this directory belongs to cluster " + identity().cluster +
                        ", but the monitor serves " + reply.cluster +
                        "; check the broker addresses, or start on an empty directory",
                    {{"cluster", identity().cluster}, {"monitor_cluster", reply.cluster}},
                    0};
  }
  const bool needs_grants = !reply.grant_keys.bytes.empty();
  if (needs_grants && !are_grant_keys(reply.grant_keys.bytes)) {
    co_return Error{Code::malformed, "the keys of grants have another length", {}, 0};
  }
  take_keys(std::move(reply.grant_keys.bytes), std::move(reply.warrant));
  if (reply.cluster != identity().cluster || reply.node != identity().node ||
      needs_grants != identity().needs_grants) {
    auto joined = std::make_shared<OpenDirectories>();
    joined->identity = identity();
    joined->identity.cluster = reply.cluster;
    joined->identity.node = reply.node;
    joined->identity.needs_grants = needs_grants;
    joined->directories = directories_.directories;
    auto outcome = std::make_shared<Result<void>>();
    Task<Result<void>> writing =
        run(bus_, [outcome, joined, &disk = disk_] { *outcome = save_identity(disk, *joined); });
    const Result<void> ran = co_await writing;
    if (!ran) co_return ran;
    if (!*outcome) co_return *outcome;
    directories_.identity = joined->identity;
  }
  const std::string address = "storage/" + std::to_string(identity().node);
  bus_.set_address(address);
  joined_ = true;
  heartbeat_period_ = std::chrono::milliseconds(std::max(reply.heartbeat_ms, 10u));
  announcer_.begin(address);
  bus_.log(Level::info, "joined",
           {{"node", uint64_t{identity().node}}, {"cluster", identity().cluster}});
  joined_callback_();
  if (needs_grants && !std::exchange(keeps_keys_, true)) scope_.spawn(keep_grant_keys());
  bus_.cancel(heartbeat_timer_);
  beat();
  if (epoch() < reply.epoch || reply.epoch == 0) want_map();
  co_return Result<void>();
}

Blob Membership::grant_to_read(ObjectId object) {
  return Blob{own_grant(object, BlockRight::read)};
}

std::string Membership::pass() {
  return own_grant(0, BlockRight::inside);
}

void Membership::take_keys(std::string keys, Blob warrant) {
  grant_keys_ = std::move(keys);
  warrant_ = std::move(warrant);
  own_grants_.clear();
}

// Made once for all parts of an object.
std::string Membership::own_grant(ObjectId object, BlockRight right) {
  if (grant_keys_.empty() || warrant_.bytes.empty()) return {};
  if (own_grants_.size() >= kOwnGrantsMax && !own_grants_.contains(object)) own_grants_.clear();
  std::string& own = own_grants_[object];
  if (!own.empty()) return own;
  Grant grant;
  grant.object = object;
  grant.right = right;
  grant.expires_ms = bus_.wall_ms() + kOwnGrantLasts / std::chrono::milliseconds(1);
  grant.warrant = warrant_;
  own = signer_.sign(grant);
  return own;
}

// New keys are told a while before they are used, and a warrant lasts longer than some looks, so
// that one that fails does no harm.
Task<void> Membership::keep_grant_keys() {
  while (true) {
    Task<void> pausing = sleep(bus_, kKeyPause);
    co_await pausing;
    if (!identity().needs_grants) continue;
    CallOptions options;
    options.deadline = kAskDeadline;
    GetGrantKeys request{{signer_.verify_keys()}};
    auto asking = calls_.ask<GetGrantKeys>("monitor", std::move(request), std::move(options));
    Result<Answer<GetGrantKeys>> answer = co_await asking;
    if (!answer || !are_grant_keys(answer->message.keys.bytes)) continue;
    take_keys(std::move(answer->message.keys.bytes), std::move(answer->message.warrant));
  }
}

void Membership::beat() {
  Heartbeat heartbeat;
  vitals_(heartbeat);
  heartbeat.node = identity().node;
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
  if (identity().cluster.empty() || map.cluster != identity().cluster) return;
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
  const NodeView* const self = node(identity().node);
  if (self != nullptr && self->uuid == identity().uuid && self->endpoint == bus_.endpoint()) return;
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

Result<void> Membership::check_place(NodeId number, const std::string& endpoint) {
  if (!identity().needs_grants) return {};
  const NodeView* const view = node(number);
  if (view != nullptr && view->endpoint == endpoint) return {};
  want_map();
  if (epoch() == 0) {
    return Error{Code::busy, "this node does not know the map yet; ask again in a moment", {}, 100};
  }
  return Error{Code::stale_map,
               "by the map of epoch " + std::to_string(epoch()) + " storage/" +
                   std::to_string(number) +
                   (view == nullptr ? " does not exist" : " is not at the endpoint given") +
                   "; ask for a new plan",
               {{"epoch", std::to_string(epoch())}},
               0};
}

bool Membership::holds(GroupId number) const {
  const GroupView* const view = group(number);
  return view != nullptr && view->holds(identity().node);
}

Result<void> Membership::admit(GroupId number, Epoch epoch) {
  if (identity().cluster.empty()) {
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
  if (!view->has_member(identity().node)) {
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
