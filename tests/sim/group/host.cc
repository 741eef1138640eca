#include "tests/sim/group/host.h"

#include <algorithm>

#include "messages/dispatch.h"
#include "tests/sim/world.h"

namespace dfs::sim {

namespace {

std::string random_uuid(Bus& bus) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(bus.random()),
                static_cast<unsigned long long>(bus.random()));
  return text;
}

}  // namespace

Host::Host(Bus& bus, Process& process, const Directory& directory, HostSettings settings)
    : bus_(bus),
      process_(process),
      settings_(std::move(settings)),
      asker_(bus, directory),
      machine_(settings_.watch) {}

void Host::start(std::function<void(Result<void>)> ready) {
  scope_.spawn(begin(std::move(ready)));
}

Task<void> Host::begin(std::function<void(Result<void>)> ready) {
  Task<Result<void>> identifying = identify();
  Result<void> identified = co_await identifying;
  if (!identified) {
    ready(std::move(identified));
    co_return;
  }
  open(std::move(ready));
}

Task<Result<void>> Host::on_disk(std::function<Result<void>()> work) {
  auto outcome = std::make_shared<Result<void>>();
  Task<Result<void>> running = run(bus_, [outcome, work = std::move(work)] { *outcome = work(); });
  Result<void> ran = co_await running;
  co_return ran ? std::move(*outcome) : std::move(ran);
}

// A data directory keeps its uuid from its first moment, so that a member that died while it was
// joining is known again.
Task<Result<void>> Host::identify() {
  auto identity = std::make_shared<std::optional<Identity>>();
  auto uuid = std::make_shared<std::string>(random_uuid(bus_));
  Disk& disk = process_.disk();
  Task<Result<void>> loading = on_disk([identity, uuid, &disk]() -> Result<void> {
    DFS_CHECK(disk.make_directories(kDirectory));
    auto loaded = load_identity(disk, kDirectory);
    if (!loaded) return loaded.error();
    *identity = *loaded;
    const std::string path = std::string(kDirectory) + "/uuid";
    auto kept = read_file(disk, path);
    if (kept) {
      *uuid = *kept;
      return {};
    }
    if (kept.code() != Code::not_found) return kept.error();
    return write_file_atomically(disk, path, *uuid);
  });
  Result<void> loaded = co_await loading;
  if (!loaded) co_return loaded;
  if (*identity) {
    identity_ = **identity;
    co_return Result<void>();
  }
  identity_ = {settings_.cluster, settings_.founder ? MemberId{1} : 0, *uuid};
  if (identity_.member == 0) {
    Task<Result<void>> joining = join();
    Result<void> joined = co_await joining;
    if (!joined) co_return joined;
  }
  Task<Result<void>> saving =
      on_disk([&disk, identity = identity_] { return save_identity(disk, kDirectory, identity); });
  Result<void> saved = co_await saving;
  co_return saved;
}

Task<Result<void>> Host::join() {
  bool surely_not = false;
  Task<Result<JoinGroupReply>> asking =
      asker_.ask(JoinGroup{identity_.uuid, bus_.endpoint()}, {}, &surely_not);
  Result<JoinGroupReply> joined = co_await asking;
  if (joined) {
    identity_.member = joined->member;
    co_return Result<void>();
  }
  if (joined.code() != Code::exists) co_return joined.error();
  // The group still counts on the disk that was lost.
  Task<Result<LeaveGroupReply>> leaving =
      asker_.ask(LeaveGroup{0, bus_.endpoint(), identity_.uuid}, {}, &surely_not);
  Result<LeaveGroupReply> left = co_await leaving;
  if (!left) co_return left.error();
  co_return Result<void>(Code::unavailable, "the predecessor is gone now; join again");
}

void Host::open(std::function<void(Result<void>)> ready) {
  const std::string address = settings_.replica.group + "/" + std::to_string(identity_.member);
  bus_.set_address(address);
  replica_ = std::make_unique<Replica>(bus_, process_.disk(), process_.table(), machine_,
                                       settings_.replica);
  Replica::Watcher watcher;
  watcher.leading = [this] {
    if (std::exchange(leading_, true)) settings_.fault("`leading` was called twice");
    if (!stopping_ && !replica_->leading())
      settings_.fault("`leading` was called and it does not lead");
  };
  watcher.following = [this] {
    if (!std::exchange(leading_, false)) settings_.fault("`following` was called before `leading`");
  };
  replica_->watch(std::move(watcher));
  replica_->open(identity_, bus_.endpoint(), "", settings_.founder, std::move(ready));
}

void Host::receive(Envelope envelope) {
  if (replica_ != nullptr && replica_->receive(envelope)) return;
  if (asker_.calls().receive(envelope)) return;
  if (envelope.header.request == 0 || envelope.header.to != Asker::kService) return;
  if (replica_ == nullptr) {
    const Error error{Code::unavailable, "this member is joining; ask another", {}, 0};
    (void)bus_.reply(reply_to(envelope, error));
    return;
  }
  const Result<void> understood =
      dispatch<ChangeRegister, ReadRegister, JoinGroup, LeaveGroup, PassLead>(*this, envelope);
  if (!understood && envelope.header.type != Type::Error) {
    (void)bus_.reply(reply_to(envelope, understood.error()));
  }
}

void Host::link_down(const Link& link) {
  asker_.calls().link_down(link);
  if (replica_ != nullptr) replica_->link_down(link);
}

void Host::stop(std::function<void()> stopped) {
  stopping_ = true;
  scope_.clear();
  if (replica_ == nullptr) return stopped();
  replica_->close(std::move(stopped));
}

void Host::refuse(const Envelope& request, const Error& error) {
  (void)bus_.reply(reply_to(request, error));
}

void Host::on(const Envelope& request, const ChangeRegister&) {
  Command command;
  command.type = ChangeRegister::kType;
  command.body = request.body;
  command.client = request.header.from;
  command.request = request.header.request;
  replica_->propose(std::move(command), [this, request](Result<Outcome> outcome) {
    if (!outcome) return refuse(request, outcome.error());
    Envelope reply = reply_to(request, ErrorReply());
    reply.header.type = outcome->type;
    reply.body = outcome->body;
    (void)bus_.reply(std::move(reply));
  });
}

void Host::read_now(const Envelope& request, const std::string& name, Duration stale) {
  const Result<uint64_t> value = Registers::read(process_.table(), name);
  if (!value) return refuse(request, value.error());
  // The age was measured with a clock that is perhaps slow.
  const Duration since = process_.world().now() - stale * 11 / 10;
  const auto since_ns = static_cast<uint64_t>(std::max<int64_t>(since.count(), 0));
  (void)bus_.reply(reply_to(request, ReadRegisterReply{*value, since_ns}));
}

void Host::on(const Envelope& request, const ReadRegister& read) {
  if (read.stale) {
    if (const auto age = replica_->staleness()) return read_now(request, read.name, *age);
    return refuse(request, {Code::unavailable, "nothing to read here", {}, 0});
  }
  replica_->read([this, request, name = read.name](Result<void> go) {
    if (!go) return refuse(request, go.error());
    read_now(request, name, Duration::zero());
  });
}

MemberId Host::member_at(const std::string& endpoint, const std::string& other_than) const {
  for (const Member& member : replica_->members().members) {
    if (member.endpoint == endpoint && member.uuid != other_than) return member.id;
  }
  return 0;
}

void Host::on(const Envelope& request, const JoinGroup& join) {
  Member wanted;
  wanted.endpoint = join.endpoint;
  wanted.uuid = join.uuid;
  replica_->add_member(wanted, [this, request](const Result<MemberId>& member) {
    if (!member) return refuse(request, member.error());
    (void)bus_.reply(reply_to(request, JoinGroupReply{member.value()}));
  });
}

void Host::on(const Envelope& request, const LeaveGroup& leave) {
  // Only the leader's view of the members says that somebody is none.
  replica_->read([this, request, leave](Result<void> go) {
    if (!go) return refuse(request, go.error());
    const MemberId member =
        leave.member != 0 ? leave.member : member_at(leave.endpoint, leave.uuid);
    if (member == 0) return (void)bus_.reply(reply_to(request, LeaveGroupReply()));
    replica_->remove_member(member, [this, request](Result<void> removed) {
      if (!removed) return refuse(request, removed.error());
      (void)bus_.reply(reply_to(request, LeaveGroupReply()));
    });
  });
}

void Host::on(const Envelope& request, const PassLead& pass) {
  const MemberId to = pass.endpoint.empty() ? 0 : member_at(pass.endpoint, "");
  if (to == 0 && !pass.endpoint.empty()) {
    return refuse(request, {Code::not_found, "it is no member", {}, 0});
  }
  replica_->transfer(to, [this, request](const Result<MemberId>& leader) {
    if (!leader) return refuse(request, leader.error());
    (void)bus_.reply(reply_to(request, PassLeadReply{leader.value()}));
  });
}

}  // namespace dfs::sim
