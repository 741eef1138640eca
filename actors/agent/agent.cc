#include "actors/agent/agent.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "actors/agent/keeper.h"
#include "broker/announcer.h"
#include "messages/dispatch.h"
#include "messages/events.h"
#include "messages/passes.h"

namespace dfs {

using agent::Keeper;
using agent::NodeRecord;

namespace {

constexpr size_t kOutcomesKept = 64;
constexpr Duration kMeasurePeriod = std::chrono::seconds(5);
constexpr Duration kSayAgain = std::chrono::minutes(1);
constexpr Duration kAnswerBefore = std::chrono::milliseconds(500);  // of the asker's deadline
constexpr const char* kNamePrefix = "storage-";

// A request and its repetitions.
using Asked = std::pair<std::string, uint64_t>;

uint32_t number_in(const std::string& name) {
  uint32_t number = 0;
  if (!name.starts_with(kNamePrefix)) return 0;
  const char* const end = name.data() + name.size();
  const auto [at, error] =
      std::from_chars(name.data() + std::string_view(kNamePrefix).size(), end, number);
  return error == std::errc() && at == end ? number : 0;
}

Error no_place(std::string text, const char* reason) {
  return Error{Code::no_space, std::move(text), {{"reason", reason}}, 0};
}

}  // namespace

struct Agent::State {
  State(Bus& b, std::shared_ptr<Disk> disk, std::shared_ptr<Launcher> launcher, AgentSettings s)
      : bus(b),
        settings(std::move(s)),
        calls(b),
        tools{b, calls, std::move(disk), std::move(launcher)},
        announcer(b, settings.heartbeat_period) {}

  ~State() { bus.cancel(beat_timer); }

  std::string folder_of(const std::string& name) const { return settings.directory + "/" + name; }

  // Life.

  Task<void> open(std::function<void(Result<void>)> ready) {
    using Found = std::map<std::string, NodeRecord>;
    Task<Result<Found>> looking = agent::on_pool<Found>(
        bus, [disk = tools.disk, directory = settings.directory]() -> Result<Found> {
          auto names = disk->list(directory);
          if (!names) return names.error();
          Found found;
          for (const std::string& name : *names) {
            auto record = agent::load_record(*disk, directory + "/" + name);
            if (record.code() == Code::not_found) continue;
            // A damaged record is no reason to leave a node alone: it knows who it is.
            found.emplace(name, record ? std::move(*record) : NodeRecord());
          }
          return found;
        });
    Result<Found> found = co_await looking;
    if (!found) {
      ready(found.error());
      co_return;
    }
    boot = bus.random();
    for (auto& [name, record] : *found) keeper(name, std::move(record)).begin();
    const std::string service = kAgentService + settings.host;
    bus.subscribe(std::string(kHeartbeatTopic) + service);
    announcer.begin(service);
    beat();
    scope.spawn(measure());
    ready({});
  }

  Keeper& keeper(const std::string& name, NodeRecord record) {
    agent::KeeperSettings of{.program = settings.program,
                             .check_period = settings.check_period,
                             .pause_min = settings.pause_min,
                             .pause_max = settings.pause_max};
    auto fresh = std::make_unique<Keeper>(
        tools, std::move(of), name, folder_of(name), std::move(record),
        [this](std::string topic, std::map<std::string, std::string> fields) {
          tell(std::move(topic), std::move(fields));
        });
    return *(keepers[name] = std::move(fresh));
  }

  void tell(std::string topic, std::map<std::string, std::string> fields) {
    Event event{topic, 0, bus.wall_ms(), bus.address(), 0, std::move(fields)};
    event.fields["host"] = settings.host;
    bus.publish(kEventTopic + topic, envelope_of(event));
  }

  void beat() {
    publish_beat();
    beat_timer = bus.after(settings.heartbeat_period, [this] { beat(); });
  }
  void publish_beat() {
    AgentBeat beat{.host = settings.host,
                   .rack = settings.rack,
                   .boot = boot,
                   .sequence = ++sequence,
                   .directory = settings.directory,
                   .total_bytes = space.total_bytes,
                   .free_bytes = space.free_bytes,
                   .nodes_max = settings.nodes_max,
                   .nodes = {}};
    for (const auto& [name, keeper] : keepers) beat.nodes.push_back(keeper->view());
    bus.publish(std::string(kHeartbeatTopic) + kAgentService + settings.host, envelope_of(beat));
  }

  Task<void> measure() {
    while (true) {
      Task<Result<DiskSpace>> measuring = measured();
      const Result<DiskSpace> now = co_await measuring;
      if (now) space = *now;
      Task<void> forgetting = forget_removed();
      co_await forgetting;
      Task<void> pausing = sleep(bus, kMeasurePeriod);
      co_await pausing;
    }
  }
  Task<Result<DiskSpace>> measured() {
    return agent::on_pool<DiskSpace>(bus, [disk = tools.disk, directory = settings.directory] {
      return disk->space(directory);
    });
  }

  bool is_given_up(const std::string& name) const {
    const auto found = keepers.find(name);
    return found != keepers.end() && !taken.contains(name) &&
           found->second->view().state == AgentNodeState::failed;
  }

  // An administrator removes the folder of a node that is no longer wanted.
  Task<void> forget_removed() {
    using Names = std::vector<std::string>;
    Names names;
    for (const auto& [name, keeper] : keepers) {
      if (is_given_up(name)) names.push_back(name);
    }
    if (names.empty()) co_return;
    Task<Result<Names>> looking = agent::on_pool<Names>(
        bus, [disk = tools.disk, directory = settings.directory, names]() -> Result<Names> {
          Names gone;
          for (const std::string& name : names) {
            const auto there = disk->exists(directory + "/" + name);
            if (there && !*there) gone.push_back(name);
          }
          return gone;
        });
    const Result<Names> gone = co_await looking;
    if (!gone) co_return;
    for (const std::string& name : *gone) {
      if (is_given_up(name)) keepers.erase(name);
    }
  }

  // Requests for a host go to whichever agent of that name a broker heard last.
  void observe(const AgentBeat& other) {
    if (other.host != settings.host || other.boot == boot) return;
    if (bus.now() < say_again) return;
    say_again = bus.now() + kSayAgain;
    bus.log(Level::error, "another agent has the same --host; give each its own",
            {{"host", settings.host}, {"its_directory", other.directory}});
  }

  // Creation.

  // The monitor, which knows whose the ticket is, gives passes to administrators alone.
  Task<Result<bool>> authorise(std::string ticket, Duration deadline) {
    CallOptions options;
    options.deadline = deadline;
    options.ticket = std::move(ticket);
    Task<Result<Answer<GetNodePass>>> asking =
        calls.ask<GetNodePass>("monitor", GetNodePass{}, std::move(options));
    const Result<Answer<GetNodePass>> answer = co_await asking;
    if (!answer) co_return answer.error();
    co_return true;
  }

  void on(const Envelope& envelope, const CreateNode& request) {
    Envelope origin{envelope.header, {}, {}, envelope.link};
    const Asked asked{envelope.header.from, envelope.header.request};
    for (const auto& [key, outcome] : outcomes) {
      if (key == asked) return answer(origin, outcome);
    }
    std::vector<Envelope>& waiting = pending[asked];
    waiting.push_back(std::move(origin));
    if (waiting.size() > 1) return;  // a repetition, while it is under way
    Duration patience = settings.start_deadline;
    if (envelope.header.deadline_ms != 0) {
      const Duration asker = std::chrono::milliseconds(envelope.header.deadline_ms);
      patience = std::min(patience, std::max(asker - kAnswerBefore, asker / 2));
    }
    scope.spawn(serve(asked, request, envelope.header.ticket, bus.now() + patience));
  }

  Task<void> serve(Asked asked, CreateNode request, std::string ticket, Instant until) {
    Task<Result<bool>> authorising = authorise(std::move(ticket), until - bus.now());
    const Result<bool> authorised = co_await authorising;
    Result<Keeper*> made = nullptr;
    if (authorised) {
      Task<Result<Keeper*>> making = make(asked, std::move(request));
      Result<Keeper*> making_done = co_await making;
      made = std::move(making_done);
    } else {
      made = authorised.error();
    }
    Result<CreateNodeReply> outcome = Error();
    if (made) {
      Task<Result<CreateNodeReply>> waiting = await(**made, until);
      Result<CreateNodeReply> waited = co_await waiting;
      outcome = std::move(waited);
    } else {
      outcome = made.error();
    }
    // Whoever asks again after a timeout goes on waiting, and a denial is for this asker alone.
    if (authorised && outcome.code() != Code::timeout) outcomes.emplace_back(asked, outcome);
    if (outcomes.size() > kOutcomesKept) outcomes.pop_front();
    const std::vector<Envelope> origins = std::exchange(pending[asked], {});
    pending.erase(asked);
    publish_beat();  // whoever hears the answer may look at once
    for (const Envelope& origin : origins) answer(origin, outcome);
  }

  void answer(const Envelope& origin, const Result<CreateNodeReply>& outcome) {
    if (origin.header.request == 0) return;
    (void)bus.reply(outcome ? reply_to(origin, *outcome) : reply_to(origin, outcome.error()));
  }

  // The keeper of the node that this request is about, begun.
  Task<Result<Keeper*>> make(Asked asked, CreateNode request) {
    for (const auto& [name, keeper] : keepers) {
      const NodeRecord& record = keeper->record();
      if (Asked(record.client, record.request) != asked) continue;
      if (keeper->is_unused()) keeper->begin(request.token);
      co_return keeper.get();
    }
    const Result<std::string> name = choose_name(request);
    if (!name) co_return name.error();
    taken.insert(*name);
    Task<Result<bool>> preparing =
        prepare(*name, std::move(request), NodeRecord{asked.first, asked.second, 0});
    const Result<bool> prepared = co_await preparing;
    taken.erase(*name);
    if (!prepared) co_return prepared.error();
    co_return keepers.at(*name).get();
  }

  // A folder whose node never came to be is used again before a new one is made.
  Result<std::string> choose_name(const CreateNode& request) const {
    const auto is_unused = [this](const std::string& name, const Keeper& keeper) {
      return keeper.is_unused() && !taken.contains(name);
    };
    if (!request.name.empty()) {
      const auto there = keepers.find(request.name);
      const bool exists = there != keepers.end() && !is_unused(request.name, *there->second);
      if (exists || taken.contains(request.name)) {
        return Error{Code::exists,
                     "host " + settings.host + " has a node " + request.name +
                         " already; choose another name, or leave it to the agent",
                     {},
                     0};
      }
      if (there != keepers.end()) return request.name;
    } else {
      for (const auto& [name, keeper] : keepers) {
        if (is_unused(name, *keeper)) return name;
      }
    }
    // One that was removed from the cluster, or cannot be started, takes no place.
    const auto live =
        static_cast<size_t>(std::count_if(keepers.begin(), keepers.end(), [](const auto& each) {
          return each.second->view().state != AgentNodeState::failed;
        }));
    if (live + taken.size() >= settings.nodes_max) {
      return no_place("the agent of host " + settings.host + " has " + std::to_string(live) +
                          " nodes and may have " + std::to_string(settings.nodes_max) +
                          "; raise its --nodes-max, or create the node on another host",
                      "nodes");
    }
    if (!request.name.empty()) return request.name;
    for (uint32_t number = 1;; ++number) {
      std::string name = kNamePrefix + std::to_string(number);
      if (!keepers.contains(name) && !taken.contains(name)) return name;
    }
  }

  Task<Result<bool>> prepare(std::string name, CreateNode request, NodeRecord record) {
    agent::NodeSettings node{.host = settings.host,
                             .rack = request.rack.empty() ? settings.rack : request.rack,
                             .listen = listen_of(name, request.port),
                             .brokers = settings.brokers,
                             .capacity_bytes = request.capacity_bytes,
                             .more = settings.node_settings};
    const bool is_new = !keepers.contains(name);
    const auto work = [disk = tools.disk, directory = settings.directory, is_new, node, record,
                       folder = folder_of(name), least = settings.free_bytes_min,
                       wanted = request.capacity_bytes]() -> Result<bool> {
      const Result<DiskSpace> space = disk->space(directory);
      if (!space) return space.error();
      if (space->free_bytes < std::max(least, wanted)) {
        return no_place(directory + " has " + agent::size_text(space->free_bytes) +
                            " free, and the node needs " +
                            agent::size_text(std::max(least, wanted)) +
                            "; free space there, or ask for less with --capacity",
                        "disk");
      }
      auto there = disk->exists(folder + "/data");
      if (!there) return there.error();
      if (is_new && *there) {
        return Error{Code::exists,
                     folder +
                         "/data is there and is not the agent's; move it away, or choose "
                         "another name with --name",
                     {},
                     0};
      }
      DFS_CHECK(agent::prepare_folder(*disk, folder, node, record));
      return true;
    };
    Task<Result<bool>> working = agent::on_pool<bool>(bus, work);
    const Result<bool> done = co_await working;
    if (!done) co_return done;
    if (is_new) {
      keeper(name, record);
    } else {
      keepers.at(name)->reassign(record);
    }
    keepers.at(name)->begin(std::move(request.token));
    co_return true;
  }

  std::string listen_of(const std::string& name, uint32_t port) const {
    const size_t colon = settings.listen.rfind(':');
    const std::string host = settings.listen.substr(0, colon + 1);
    if (port != 0) return host + std::to_string(port);
    const uint32_t number = number_in(name);
    uint32_t base = 0;
    std::from_chars(settings.listen.data() + colon + 1,
                    settings.listen.data() + settings.listen.size(), base);
    return host + std::to_string(base == 0 || number == 0 ? 0 : base + number - 1);
  }

  Task<Result<CreateNodeReply>> await(Keeper& keeper, Instant until) {
    const Bus::TimerId timer =
        bus.after(until - bus.now(), [&keeper] { keeper.changed().notify(); });
    struct Guard {
      Bus& bus;
      Bus::TimerId timer;
      ~Guard() { bus.cancel(timer); }
    } guard{bus, timer};
    while (true) {
      const AgentNode& view = keeper.view();
      if (view.state == AgentNodeState::running) {
        co_return CreateNodeReply{view.node, view.name, view.endpoint, view.folder, view.pid};
      }
      if (view.state == AgentNodeState::failed && keeper.failure()) co_return *keeper.failure();
      if (bus.now() >= until) break;
      Signal::Waiter change = keeper.changed().wait();
      co_await change;
    }
    co_return Error{Code::timeout,
                    "the node in " + keeper.view().folder + " was started on host " +
                        settings.host +
                        " and has not joined yet; it goes on trying: see dfsctl node agents, and "
                        "node.log in that folder",
                    {{"folder", keeper.view().folder}},
                    0};
  }

  void on(const Envelope& envelope, const Ping& ping) {
    (void)bus.reply(reply_to(envelope, Pong{ping.nonce, bus.address()}));
  }

  void receive(Envelope& envelope) {
    if (calls.receive(envelope)) return;
    const Type type = envelope.header.type;
    if (type == Type::Error || type == Pong::kType) return;  // came too late
    const Result<void> understood = dispatch<CreateNode, Ping>(*this, envelope);
    if (understood || envelope.header.request == 0) return;
    (void)bus.reply(reply_to(envelope, understood.error()));
  }

  void stop() {
    bus.cancel(std::exchange(beat_timer, 0));
    scope.clear();
    keepers.clear();
    const Error error{Code::stopping, "the agent of host " + settings.host + " stops", {}, 0};
    for (const auto& [asked, origins] : std::exchange(pending, {})) {
      for (const Envelope& origin : origins) answer(origin, error);
    }
  }

  Bus& bus;
  const AgentSettings settings;
  Calls calls;
  agent::Tools tools;
  Announcer announcer;
  uint64_t boot = 0;
  uint64_t sequence = 0;
  Bus::TimerId beat_timer = 0;
  DiskSpace space;
  Instant say_again;
  std::map<std::string, std::unique_ptr<Keeper>> keepers;
  std::set<std::string> taken;  // names of folders that are being prepared
  std::map<Asked, std::vector<Envelope>> pending;
  std::deque<std::pair<Asked, Result<CreateNodeReply>>> outcomes;  // the last ones
  TaskScope scope;  // last: its flows use all of the above
};

Agent::Agent(Bus& bus, std::shared_ptr<Disk> disk, std::shared_ptr<Launcher> launcher,
             AgentSettings settings)
    : state_(std::make_unique<State>(bus, std::move(disk), std::move(launcher),
                                     std::move(settings))) {}

Agent::~Agent() = default;

void Agent::start(std::function<void(Result<void>)> ready) {
  state_->scope.spawn(state_->open(std::move(ready)));
}

void Agent::receive(Envelope envelope) {
  state_->receive(envelope);
}

void Agent::observe(const std::string&, Envelope envelope) {
  const auto beat = reply_as<AgentBeat>(envelope);
  if (beat) state_->observe(*beat);
}

void Agent::link_down(const Link& link) {
  state_->calls.link_down(link);
}

void Agent::stop(std::function<void()> stopped) {
  state_->stop();
  stopped();
}

}  // namespace dfs
