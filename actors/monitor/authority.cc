// Who asks this head, whether they may, and what is told of it when they may not.
#include <algorithm>

#include "actors/monitor/access.h"
#include "actors/monitor/monitor_state.h"
#include "messages/fence_proof.h"

namespace dfs {

namespace {

constexpr Duration kDenialsPause = std::chrono::seconds(1);
constexpr size_t kDenialsKept = 16;  // of that time; more are only counted

bool is_denial(Code code) {
  return code == Code::denied || code == Code::login_needed;
}

std::string cause_of(const Error& error, const char* name) {
  const auto found = error.cause.find(name);
  return found == error.cause.end() ? std::string() : found->second;
}

// By who it is in the cluster, without a ticket.
bool is_entitled(Access access, const Envelope& envelope) {
  switch (access) {
    case Access::cluster:
    case Access::cluster_or_admins:
      return is_of_cluster(envelope);
    case Access::heads_or_admins:
      return is_of_head(envelope);
    case Access::nodes:
      return envelope.header.from.starts_with("storage/");
    default:
      return false;
  }
}

Error not_yours(ObjectId object, const std::string& why) {
  return Error{
      Code::denied,
      "nothing shows that the upload of object " + std::to_string(object) + " is yours: " + why,
      {{"reason", "grant"}, {"object", std::to_string(object)}},
      0};
}

}  // namespace

bool Monitor::State::is_let_in(const Envelope& envelope) {
  asker = superuser();
  asker_is_cluster = true;
  if (!authenticates()) return true;
  const Result<void> judged = judge_asker(envelope);
  if (judged) return true;
  refuse(envelope, judged.error());
  return false;
}

Result<void> Monitor::State::judge_asker(const Envelope& envelope) {
  const Type type = envelope.header.type;
  const std::optional<Access> access = access_to(type);
  if (!access) {
    return {Code::unsupported,
            "message type " + std::to_string(static_cast<int>(type)) + " is not understood here"};
  }
  if (*access == Access::everybody) return {};
  if (envelope.header.ticket.empty() && is_entitled(*access, envelope)) return {};
  if (*access == Access::cluster || *access == Access::nodes) {
    return Error{Code::denied,
                 "only storage nodes and heads ask this of each other",
                 {{"reason", "role"}},
                 0};
  }
  auto who = gate.judge(envelope);
  if (!who) return who.error();
  asker = std::move(*who);
  asker_is_cluster = false;
  return *access == Access::users ? Result<void>() : check_administrator(asker, type);
}

// Nobody's retry is another's: who they are is a part of how a request is known again.
void Monitor::State::stamp(Command& command) const {
  if (!authenticates() || asker_is_cluster) return;
  if (!command.client.empty()) command.client += "#" + std::to_string(asker.uid);
  command.requester = encode(asker);
}

Blob Monitor::State::grant_for(ObjectId object, BlockRight right, const Requester& who) {
  const bool is_pass = right == BlockRight::inside;
  if (!authenticates() || (object == 0) != is_pass) return {};
  Grant grant;
  grant.object = object;
  grant.right = right;
  grant.uid = who.uid;
  grant.expires_ms = bus.wall_ms() + settings.grant_lasts / std::chrono::milliseconds(1);
  grant.serial = bus.random();
  if (who.session != 0) {
    grant.holder = holder_of(who.user);
    grant.session = who.session;
    grant.since_ms = who.since_ms;
  }
  Blob made{grant_desk().signer.sign(grant)};
  // It comes back with the commit.
  if (right == BlockRight::write) grant_desk().judge.remember(made.bytes, grant);
  return made;
}

void Monitor::State::on(const Envelope& envelope, const GetNodePass&) {
  NodePass reply;
  reply.pass = grant_for(0, BlockRight::inside, asker);
  reply.lasts_ms = static_cast<uint32_t>(settings.grant_lasts / std::chrono::milliseconds(1));
  answer_with(envelope, Result<NodePass>(std::move(reply)));
}

// What this head shows to storage nodes.
std::string Monitor::State::own_pass() {
  return grant_for(0, BlockRight::inside, superuser()).bytes;
}

// An expired one shows it as well: a writer may have been asleep.
Result<void> Monitor::State::check_upload_of(const Requester& who, ObjectId object,
                                             const Blob& grant) {
  if (!authenticates()) return {};
  const auto opened = grant_desk().judge.open(grant.bytes);
  if (!opened) return not_yours(object, opened.error().text);
  if (opened->object != object || opened->right != BlockRight::write) {
    return not_yours(object, "the grant is for something else");
  }
  if (opened->uid != who.uid) return not_yours(object, "somebody else began it");
  return {};
}

bool Monitor::State::has_fence(const Envelope& envelope, const std::string& path, uint64_t fence,
                               const Blob& proof, bool subtree) {
  if (!authenticates() || asker_is_cluster) return true;
  const FenceClaim claim{path, subtree, fence, asker.user};
  const auto shown = check_fence_proof(settings.fence_key, claim, proof);
  if (!shown) refuse(envelope, shown.error());
  return shown.ok();
}

// Nobody writes to what is content, not even who wrote it.
Result<void> Monitor::State::check_not_content(Rows& rows, const PlanFile& request) const {
  if (!authenticates()) return {};
  auto object = rows.get<ObjectRow>(keys::object(request.object));
  if (!object) return object.error();
  if (!*object) return {};
  return not_yours(request.object, "it has ended");
}

// What the same person is denied again and again is one event, with a count.
void Monitor::State::refused(const Envelope& request, const Error& error) {
  if (!authenticates() || !is_denial(error.code)) return;
  ++denied;
  if (!serving() || stopping) return;
  const auto who = gate.judge(request);
  Denial denial;
  if (who) denial.user = who->user;
  denial.from = request.header.from;
  denial.request = static_cast<uint32_t>(request.header.type);
  denial.reason = cause_of(error, "reason");
  denial.path = cause_of(error, "path");
  const auto known = std::find_if(reign.denials.begin(), reign.denials.end(),
                                  [&](const Denial& other) { return other.is_like(denial); });
  if (known != reign.denials.end()) {
    ++known->count;
  } else if (reign.denials.size() < kDenialsKept) {
    reign.denials.push_back(std::move(denial));
  } else {
    ++reign.denials_left_out;
  }
  if (reign.denials_timer == 0) {
    reign.denials_timer = bus.after(kDenialsPause, [this] { log_denials(); });
  }
}

void Monitor::State::log_denials() {
  reign.denials_timer = 0;
  if (!serving() || stopping) return;
  NoteDenied command;
  command.denials = std::exchange(reign.denials, {});
  command.left_out = std::exchange(reign.denials_left_out, 0);
  propose(command, [this](const Result<Outcome>& outcome) {
    if (!outcome) command_failed("NoteDenied", outcome.error());
  });
}

}  // namespace dfs
