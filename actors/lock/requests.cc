#include <algorithm>
#include <iterator>
#include <string_view>

#include "actors/lock/lock_state.h"
#include "actors/lock/operations.h"

namespace dfs {

namespace {

bool is_of_consensus(Type type) {
  return type >= Type::RequestVote && type <= Type::TimeoutNow;
}

// Any head answers these, in its own way; all else is the leader's.
bool is_for_any_head(Type type) {
  return type == Type::ListHeads || type == Type::Ping;
}

// A head, a storage node or an agent: the broker passes these addresses on only from whoever proved
// to be that. One that has not joined yet has no number.
bool is_of_cluster(const std::string& from) {
  constexpr std::string_view kKinds[] = {"monitor/", "lock/", "head/", "storage/", "agent/"};
  return std::any_of(std::begin(kKinds), std::end(kKinds),
                     [&](std::string_view kind) { return from.starts_with(kind); });
}

}  // namespace

std::string source_of(const Header& header) {
  return header.source.empty() ? header.from : header.source;
}

Envelope origin_of(const Envelope& envelope) {
  return Envelope{envelope.header, {}, {}, envelope.link};
}

void Lock::State::receive(Envelope& envelope) {
  const Type type = envelope.header.type;
  if (is_of_consensus(type)) {
    if (admitted) (void)replica.receive(envelope);
    return;
  }
  if (calls.pending() > 0 && calls.receive(envelope)) return;
  // An error is somebody's answer; answering it could go on for ever.
  if (type == Type::Error) {
    if (begun) (void)replica.receive(envelope);
    return;
  }
  if (stopping) {
    return refuse(envelope,
                  Error{Code::stopping, "the lock actor is shutting down; ask again", {}, 0});
  }
  if (!serving() && !is_for_any_head(type)) return refuse(envelope, not_serving());
  const Result<void> understood =
      dispatch<AddHead, ListHeads, TransferLead, Ping, ReadEvents, GetTicketKeys, AddUser,
               ChangeUser, RemoveUser, ListUsers, SetSignUp, SignUp, LogIn, RenewTicket, LogOut,
               ChangePassword, AddServiceToken, ListSessions, EndSession, AcquireLock, AwaitLock,
               RenewLocks, ReleaseLock, BreakLock, ListLocks, RotateTicketKey, GetUserNames>(
          *this, envelope);
  if (!understood) refuse(envelope, understood.error());
}

// What is for the cluster itself, and for administrators who look at the same.
bool Lock::State::refused_outsider(const Envelope& envelope) {
  if (is_of_cluster(envelope.header.from)) return false;
  if (!serving()) {
    refuse(envelope, not_serving());
    return true;
  }
  const auto admin = admin_of(envelope);
  if (!admin) refuse(envelope, admin.error());
  return !admin;
}

void Lock::State::on(const Envelope& envelope, const Ping& request) {
  answer_with(envelope, Result<Pong>(Pong{request.nonce, bus.address()}));
}

void Lock::State::on(const Envelope& envelope, const ReadEvents& request) {
  if (auto admin = admin_of(envelope); !admin) return refuse(envelope, admin.error());
  ReadEvents current = request;
  current.stale = false;
  read(envelope, current, [this](Rows& rows, const ReadEvents& asked) {
    return read_events(rows, replica.applied(), asked, lock::kActor);
  });
}

// Keys are no secret, but who was revoked is nobody's business. The monitors ask when they start.
void Lock::State::on(const Envelope& envelope, const GetTicketKeys& request) {
  if (refused_outsider(envelope)) return;
  read(envelope, request, [](Rows& rows, const GetTicketKeys&) { return lock::ticket_keys(rows); });
}

}  // namespace dfs
