#include "actors/storage/storage.h"

#include <algorithm>

#include "actors/storage/copies.h"
#include "actors/storage/doorkeeper.h"
#include "actors/storage/filler.h"
#include "actors/storage/guard.h"
#include "actors/storage/membership.h"
#include "actors/storage/pacer.h"
#include "actors/storage/reclaimer.h"
#include "actors/storage/scrubber.h"
#include "actors/storage/uploads.h"
#include "actors/storage/verifier.h"
#include "actors/storage/volumes.h"
#include "messages/cluster.h"
#include "messages/events.h"
#include "messages/grant_keys.h"
#include "messages/rebuild.h"
#include "messages/users.h"

namespace dfs {

using storage::RecoveryReport;
using storage::VolumesStats;

namespace {

// Leaves the owner time to join the threads within its two seconds.
constexpr Duration kStopMax = std::chrono::milliseconds(1500);

// Answers that this node waits for; they may come too late.
constexpr Type kReplies[] = {Type::Error,
                             WriteBlockReply::kType,
                             JoinReply::kType,
                             ClusterMap::kType,
                             ReadBlockReply::kType,
                             ListBlocksReply::kType,
                             DigestList::kType,
                             CheckCopiesReply::kType,
                             HintList::kType,
                             ConfirmSurplusReply::kType,
                             JudgeBlocksReply::kType,
                             GrantKeys::kType};

// A grant decides on these, or nothing: all else is the inside of this node.
bool is_for_anybody(Type type) {
  return type == Type::WriteBlock || type == Type::ReadBlock || type == Type::AbortBlock ||
         type == Type::Ping;
}

storage::BlockStoreSettings store_settings(const StorageSettings& settings, size_t directories) {
  storage::BlockStoreSettings out;
  out.segment_bytes = settings.segment_bytes;
  out.capacity_bytes = (settings.capacity_bytes + directories - 1) / directories;
  out.full_percent = settings.full_percent;
  return out;
}

storage::MembershipSettings membership_settings(const std::vector<storage::Directory>& directories,
                                                const StorageSettings& settings) {
  storage::MembershipSettings out;
  for (const storage::Directory& directory : directories) {
    out.directories.push_back(directory.path);
    if (directory.index == nullptr) out.unusable.insert(directory.path);
  }
  out.host = settings.host;
  out.rack = settings.rack;
  out.heartbeat_period = settings.heartbeat_period;
  out.token = settings.join_token;
  out.read_token = settings.read_join_token;
  out.key = settings.key;
  out.refused = settings.refused;
  out.random_bytes = settings.random_bytes;
  return out;
}

storage::ScrubSettings scrub_settings(const StorageSettings& settings) {
  storage::ScrubSettings out;
  out.period = settings.scrub_period;
  out.bytes_per_second = settings.scrub_bytes_per_second;
  return out;
}

}  // namespace

struct Storage::State {
  State(Bus& b, Disk& disk, const std::vector<storage::Directory>& directories,
        const StorageSettings& s)
      : bus(b),
        settings(s),
        calls(b),
        store(b, disk, directories, store_settings(s, directories.size()),
              [this](std::string topic, std::map<std::string, std::string> fields) {
                publish(std::move(topic), std::move(fields));
              }),
        membership(
            b, calls, disk, membership_settings(directories, s),
            [this](Heartbeat& heartbeat) { vitals(heartbeat); }, [this] { joined(); }),
        doorkeeper(b, membership, s.ticket_trust),
        uploads(
            b, calls, store,
            {.writes_max = s.writes_max,
             .memory_bytes_max = s.memory_bytes_max,
             .upload_idle_max = s.upload_idle_max,
             .forward_deadline = s.forward_deadline},
            [this](GroupId group, Epoch epoch) { return membership.admit(group, epoch); },
            [this](const ChainNode& next) {
              return membership.check_place(next.node, next.endpoint);
            }),
        pacer(b),
        verifier(b, store, pacer),
        copies(
            b, store, membership, pacer, verifier,
            [this](const std::string& by, const BlockView& block) { filler.offered(by, block); }),
        filler(b, calls, store, membership, pacer,
               {.fills_max = s.fills_max, .memory_bytes_max = s.fill_memory_bytes_max},
               [this](GroupId group) { return reclaimer.removing(group); }),
        guard(b, calls, membership, verifier),
        reclaimer(b, store, membership, guard, pacer,
                  {.period = s.reclaim_period, .grace = s.reclaim_grace},
                  [this](std::string topic, std::map<std::string, std::string> fields) {
                    publish(std::move(topic), std::move(fields));
                  }),
        scrubber(
            b, store, scrub_settings(s),
            [this](std::string topic, std::map<std::string, std::string> fields) {
              publish(std::move(topic), std::move(fields));
            },
            [this] { return pacer.busy(); }) {
    calls.set_pass([this] { return membership.pass(); });
    // Old writes end first: who asks from here on is told that this node knows the map.
    membership.on_map([this] { uploads.map_changed(); });
    membership.on_map([this] { reclaimer.map_changed(); });
  }

  ~State() { bus.cancel(stop_timer); }

  void open(std::function<void(Result<void>)> ready) {
    membership.open([this, ready = std::move(ready)](Result<void> opened) {
      if (!opened) return ready(opened);
      const storage::OpenDirectories& directories = membership.directories();
      for (const auto& [path, error] : directories.failures) store.exclude(path, error);
      for (const std::string& path : directories.gone) store.note_gone(path);
      store.open(membership.identity().cluster, [this, ready](Result<RecoveryReport> report) {
        if (!report) return ready(report.error());
        log(*report);
        // A node that was here before knows its number while it joins again; its receipts name it.
        // It serves at once where no grants are needed. Where they are it does when it has joined,
        // for only a head that leads tells their key.
        uploads.set_node(membership.identity().node);
        if (!membership.identity().cluster.empty()) doorkeeper.begin();
        is_open = true;
        scrubber.begin();
        ready({});
        membership.join();
      });
    });
  }

  void log(const RecoveryReport& report) {
    const bool loss = report.segments_missing + report.lost + report.unreadable != 0;
    bus.log(loss ? Level::error : Level::info, "storage recovered",
            {{"segments", report.segments},
             {"blocks", report.blocks},
             {"bytes", report.bytes},
             {"scanned_bytes", report.scanned_bytes},
             {"found", report.found},
             {"dropped", report.dropped},
             {"frees_finished", report.frees_finished},
             {"segments_removed", report.segments_removed},
             {"segments_missing", report.segments_missing},
             {"bad", report.bad},
             {"lost", report.lost}});
    if (report.dropped + report.segments_missing + report.lost + report.unreadable == 0) return;
    publish("storage-recovered", {{"found", std::to_string(report.found)},
                                  {"dropped", std::to_string(report.dropped)},
                                  {"segments_missing", std::to_string(report.segments_missing)},
                                  {"blocks_lost", std::to_string(report.lost)},
                                  {"unreadable", std::to_string(report.unreadable)}});
  }

  void joined() {
    store.set_cluster(membership.identity().cluster);
    uploads.set_node(membership.identity().node);
    doorkeeper.begin();
    if (!is_stopping) reclaimer.begin();
  }

  void vitals(Heartbeat& heartbeat) {
    if (is_open) store.refresh_space();
    const VolumesStats all = store.stats();
    const storage::BlockStoreStats& stats = all.sum;
    heartbeat.blocks_bad = stats.bad;
    heartbeat.directories = all.directories;
    heartbeat.directories_failed = all.failed;
    heartbeat.losses = store.losses();
    heartbeat.total_bytes = stats.total_bytes;
    heartbeat.used_bytes = stats.used_bytes;
    heartbeat.blocks = stats.blocks;
    heartbeat.jobs_queued = stats.jobs;
    heartbeat.bytes_written = stats.bytes_written;
    heartbeat.bytes_read = stats.bytes_read;
    heartbeat.accepts_writes = stats.accepts_writes && !is_stopping;
    heartbeat.denied = doorkeeper.denied();
    heartbeat.jobs = {scrubber.job(), reclaimer.job()};
  }

  void publish(std::string topic, std::map<std::string, std::string> fields) {
    Event event;
    event.topic = topic;
    event.time_ms = bus.wall_ms();
    event.actor = bus.address();
    event.fields = std::move(fields);
    event.fields["node"] = std::to_string(membership.identity().node);
    bus.publish(kEventTopic + topic, envelope_of(event));
  }

  // Block by block, what a grant is for.
  template <Request R>
  bool is_granted(const Envelope& request, const R& wanted, BlockRight right,
                  std::optional<uint32_t>* uid = nullptr) {
    const auto granted = doorkeeper.check_block(wanted.object, right, wanted.grant);
    if (!granted) refuse(request, granted.error());
    if (granted && uid != nullptr) *uid = *granted;
    return granted.ok();
  }
  void on(const Envelope& request, const WriteBlock& part) {
    std::optional<uint32_t> uid;
    if (!is_granted(request, part, BlockRight::write, &uid)) return;
    pacer.foreground();
    uploads.on(request, part, uid);
  }
  void on(const Envelope& request, const AbortBlock& abort) {
    if (is_granted(request, abort, BlockRight::write)) uploads.on(request, abort);
  }
  void on(const Envelope& request, const ReadBlock& read) {
    if (is_granted(request, read, BlockRight::read)) copies.on(request, read);
  }
  void on(const Envelope& request, const ListBlocks& list) { copies.on(request, list); }
  void on(const Envelope& request, const GetDigests& wanted) { copies.on(request, wanted); }
  void on(const Envelope& request, const CheckCopies& check) { copies.on(request, check); }
  void on(const Envelope& request, const ReadHints& wanted) { copies.on(request, wanted); }

  void on(const Envelope& request, const FillGroup& wanted) {
    if (is_stopping) return refuse(request, {Code::stopping, "this node is shutting down", {}, 0});
    filler.on(request, wanted);
  }

  void on(const Envelope& request, const ControlScrub& wanted) {
    ScrubStatus status = scrubber.control(wanted.action);
    status.node = membership.identity().node;
    (void)bus.reply(reply_to(request, status));
  }

  void on(const Envelope& request, const Ping& ping) {
    (void)bus.reply(reply_to(request, Pong{ping.nonce, bus.address()}));
  }

  void receive(Envelope& envelope) {
    if (calls.receive(envelope)) return;
    if (!is_open) return refuse(envelope, {Code::unavailable, "this node is starting", {}, 100});
    if (!is_for_anybody(envelope.header.type)) {
      const Result<void> allowed = doorkeeper.check_inside(envelope);
      if (!allowed) return refuse(envelope, allowed.error());
    }
    const auto handled =
        dispatch<WriteBlock, ReadBlock, AbortBlock, ListBlocks, GetDigests, CheckCopies, ReadHints,
                 FillGroup, ControlScrub, Ping>(*this, envelope);
    if (!handled) refuse(envelope, handled.error());
  }

  // Late replies and one-way news carry no wish for an answer; an answer to an error would be
  // answered by an error, for ever.
  void refuse(const Envelope& envelope, const Error& error) {
    const bool is_reply = std::find(std::begin(kReplies), std::end(kReplies),
                                    envelope.header.type) != std::end(kReplies);
    if (is_reply || envelope.header.request == 0) return;
    (void)bus.reply(reply_to(envelope, error));
  }

  void stop(std::function<void()> stopped) {
    is_stopping = true;
    filler.stop();
    reclaimer.stop();
    if (!is_open) return stopped();
    scrubber.stop();
    const auto flush = [this, stopped = std::move(stopped), begun = std::make_shared<bool>()] {
      if (std::exchange(*begun, true)) return;
      store.flush(stopped);
    };
    stop_timer = bus.after(kStopMax, flush);
    uploads.stop(flush);
  }

  Bus& bus;
  const StorageSettings settings;
  Calls calls;
  storage::Volumes store;
  storage::Membership membership;
  storage::Doorkeeper doorkeeper;
  storage::Uploads uploads;
  storage::Pacer pacer;
  storage::Verifier verifier;
  storage::Copies copies;
  storage::Filler filler;
  storage::Guard guard;
  storage::Reclaimer reclaimer;
  storage::Scrubber scrubber;
  bool is_open = false;
  bool is_stopping = false;
  Bus::TimerId stop_timer = 0;
};

Storage::Storage(Bus& bus, Disk& disk, Table& index, StorageSettings settings)
    : Storage(bus, disk, {{settings.directory, &index, std::nullopt}}, settings) {}

Storage::Storage(Bus& bus, Disk& disk, std::vector<storage::Directory> directories,
                 StorageSettings settings)
    : state_(std::make_unique<State>(bus, disk, directories, settings)) {}

Storage::~Storage() = default;

void Storage::start(std::function<void(Result<void>)> ready) {
  state_->open(std::move(ready));
}

void Storage::receive(Envelope envelope) {
  state_->receive(envelope);
}

void Storage::observe(const std::string& topic, Envelope envelope) {
  if (topic == kTicketsTopic) return state_->doorkeeper.observe(envelope);
  state_->membership.observe(topic, envelope);
}

void Storage::link_down(const Link& link) {
  state_->calls.link_down(link);
  state_->uploads.link_down(link);
}

void Storage::stop(std::function<void()> stopped) {
  state_->stop(std::move(stopped));
}

}  // namespace dfs
