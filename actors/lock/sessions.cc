// What is asked about sessions: beginning them, going on with them, ending them.
#include <algorithm>

#include "actors/lock/lock_state.h"
#include "actors/lock/operations.h"

namespace dfs {

namespace {

// The same whatever was wrong: nobody learns who has an account here.
Error wrong_password() {
  return Error{Code::denied,
               "the user and the password do not fit, or the user is locked",
               {{"reason", "password"}},
               0};
}

Error must_log_in_for(const char* what) {
  return Error{Code::denied,
               std::string("with a service token nobody can ") + what + "; log in",
               {{"reason", "token"}},
               0};
}

bool is_narrow(const Ticket& ticket) {
  return ticket.read_only || !ticket.below.empty();
}

}  // namespace

Error must_wait(Duration wait) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  return Error{
      Code::busy,
      "too many log-ins failed; the next one may be tried in " + std::to_string(ms) + " ms",
      {{"reason", "throttled"}},
      static_cast<uint32_t>(ms)};
}

uint64_t Lock::State::fresh_session() {
  uint64_t session = 0;
  while (session == 0) session = bus.random();
  return session;
}

void Lock::State::on(const Envelope& envelope, const LogIn& request) {
  scope.spawn(log_in(origin_of(envelope), request));
}

Task<void> Lock::State::log_in(Envelope origin, LogIn request) {
  Task<Result<LogIndex>> checking =
      check_password(request.user, std::move(request.password.bytes), origin);
  const Result<LogIndex> password = co_await checking;
  if (!password) {
    refuse(origin, password.error());
    co_return;
  }
  lock::BeginSession command;
  command.user = request.user;
  command.password_index = *password;
  command.session = fresh_session();
  command.lasts_ms = ticket_ms();
  command.now_ms = bus.wall_ms();
  command.source = source_of(origin.header);
  propose_grant(origin, command.user, command.kType, encode(command));
}

// Takes as long for users that there are not.
Task<Result<LogIndex>> Lock::State::check_password(std::string user, std::string password,
                                                   Envelope origin) {
  const std::string source = source_of(origin.header);
  const Duration wait =
      std::max(reign.users.wait(user, bus.now()), reign.sources.wait(source, bus.now()));
  if (wait > Duration::zero()) co_return must_wait(wait);
  const Instant began = bus.now();
  reign.users.attempt(user, began);
  reign.sources.attempt(source, began);
  Rows rows(table);
  const auto row = rows.get<lock::UserRow>(lock::keys::user(user));
  if (!row) co_return row.error();
  PasswordHash known;
  if (*row) {
    known = (*row)->password;
  } else {
    known = {Blob{std::string(kSaltBytes, 's')}, Blob{std::string(kPasswordHashBytes, '\0')},
             settings.password_cost.passes, settings.password_cost.memory_bytes};
  }
  Task<Result<bool>> comparing = passwords.fits(std::move(password), std::move(known));
  const Result<bool> right = co_await comparing;
  if (!right) co_return right.error();
  if (!*right || !*row || (*row)->locked) {
    reign.denials.add("login-failed", user, source, "log-in");
    note_denials();
    co_return wrong_password();
  }
  reign.users.succeeded(user);
  reign.sources.give_back(source, began);
  co_return (*row)->password_index;
}

// The ticket is signed when the log has taken the session. Signing is a function of what it took,
// so a repeated request gets the same one.
void Lock::State::propose_grant(const Envelope& envelope, std::string user, Type type,
                                std::string body) {
  propose_for(
      envelope, type, std::move(body),
      [this, user = std::move(user)](const Envelope& origin, const Result<Outcome>& outcome) {
        if (!outcome || outcome->type == Type::Error) return answer(origin, outcome);
        const auto granted = decode<lock::Granted>(outcome->body);
        if (!granted) return refuse(origin, granted.error());
        // Whoever uses another's address and request number is told no remembered outcome.
        if (granted->ticket.user != user) return refuse(origin, wrong_password());
        Rows rows(table);
        auto reply = lock::signed_ticket(rows, *granted);
        if (reply) {
          const int64_t left = reply->expires_ms - bus.wall_ms();
          reply->lasts_ms = static_cast<uint32_t>(std::clamp<int64_t>(left, 0, UINT32_MAX));
        }
        answer_with(origin, reply);
      });
}

void Lock::State::on(const Envelope& envelope, const RenewTicket&) {
  const auto asker = asker_of(envelope, true);
  if (!asker) return refuse(envelope, asker.error());
  const lock::ExtendSession command{asker->session, ticket_ms(), bus.wall_ms()};
  propose_grant(envelope, asker->user, command.kType, encode(command));
}

void Lock::State::on(const Envelope& envelope, const LogOut& request) {
  const auto asker = asker_of(envelope, true);
  if (!asker) return refuse(envelope, asker.error());
  if (request.everywhere && is_narrow(*asker)) {
    return refuse(envelope, must_log_in_for("end the sessions of the user"));
  }
  lock::FinishSessions command;
  command.session = request.everywhere ? 0 : asker->session;
  command.origin = {asker->user, source_of(envelope.header)};
  propose_for(envelope, command.kType, encode(command),
              [this](const Envelope& origin, const Result<Outcome>& o) { answer(origin, o); });
}

void Lock::State::on(const Envelope& envelope, const EndSession& request) {
  const auto asker = asker_of(envelope);
  if (!asker) return refuse(envelope, asker.error());
  if (is_narrow(*asker) && request.session != asker->session) {
    return refuse(envelope, must_log_in_for("end other sessions"));
  }
  lock::FinishSessions command;
  command.session = request.session;
  command.admin = asker->role == Role::admin;
  command.origin = {asker->user, source_of(envelope.header)};
  propose_for(envelope, command.kType, encode(command),
              [this](const Envelope& origin, const Result<Outcome>& o) { answer(origin, o); });
}

void Lock::State::on(const Envelope& envelope, const ListSessions& request) {
  const auto asker = asker_of(envelope);
  if (!asker) return refuse(envelope, asker.error());
  read(envelope, request, [asker = *asker](Rows& rows, const ListSessions& asked) {
    return lock::list_sessions(rows, asked, asker);
  });
}

void Lock::State::on(const Envelope& envelope, const ChangePassword& request) {
  const auto asker = asker_of(envelope, true);
  if (!asker) return refuse(envelope, asker.error());
  if (is_narrow(*asker)) return refuse(envelope, must_log_in_for("change the password"));
  if (request.old_password == request.new_password) {
    return refuse(envelope, Error{Code::invalid, "the new password is the old one", {}, 0});
  }
  scope.spawn(change_password(origin_of(envelope), request, *asker));
}

Task<void> Lock::State::change_password(Envelope origin, ChangePassword request, Ticket asker) {
  Task<Result<LogIndex>> checking =
      check_password(asker.user, std::move(request.old_password.bytes), origin);
  const Result<LogIndex> password = co_await checking;
  if (!password) {
    refuse(origin, password.error());
    co_return;
  }
  Task<Result<PasswordHash>> hashing = hash_of(std::move(request.new_password.bytes));
  Result<PasswordHash> hash = co_await hashing;
  if (!hash) {
    refuse(origin, hash.error());
    co_return;
  }
  lock::ReplacePassword command;
  command.user = asker.user;
  command.password_index = *password;
  command.password = std::move(*hash);
  command.session = fresh_session();
  command.lasts_ms = ticket_ms();
  command.now_ms = bus.wall_ms();
  command.source = source_of(origin.header);
  propose_grant(origin, command.user, command.kType, encode(command));
}

void Lock::State::on(const Envelope& envelope, const AddServiceToken& request) {
  const auto asker = asker_of(envelope);
  if (!asker) return refuse(envelope, asker.error());
  if (!request.user.empty() && request.user != asker->user && asker->role != Role::admin) {
    deny(envelope, asker->user, "a token for somebody else");
    return refuse(envelope, Error{Code::denied,
                                  "only administrators make service tokens for others",
                                  {{"reason", "role"}},
                                  0});
  }
  lock::IssueToken command;
  command.user = request.user.empty() ? asker->user : request.user;
  command.label = request.label;
  command.below = request.below;
  command.read_only = request.read_only;
  command.session = fresh_session();
  command.lasts_ms = request.lasts_ms;
  command.now_ms = bus.wall_ms();
  command.by_session = asker->session;
  command.origin = {asker->user, source_of(envelope.header)};
  propose_grant(envelope, command.user, command.kType, encode(command));
}

}  // namespace dfs
