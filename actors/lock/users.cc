// What is asked about users. Passwords are hashed on the pool before anything goes into the log.
#include "actors/lock/lock_state.h"
#include "actors/lock/operations.h"

namespace dfs {

Task<Result<PasswordHash>> Lock::State::hash_of(std::string password) {
  return passwords.hash(std::move(password), settings.random_bytes(kSaltBytes),
                        settings.password_cost);
}

void Lock::State::on(const Envelope& envelope, const AddUser& request) {
  const auto admin = admin_of(envelope);
  if (!admin) return refuse(envelope, admin.error());
  scope.spawn(add_user(origin_of(envelope), request, admin->user));
}

Task<void> Lock::State::add_user(Envelope origin, AddUser request, std::string by) {
  Task<Result<PasswordHash>> hashing = hash_of(request.password.bytes);
  Result<PasswordHash> hash = co_await hashing;
  if (!hash) {
    refuse(origin, hash.error());
    co_return;
  }
  lock::CreateUser command;
  command.user = request.user;
  command.password = std::move(*hash);
  command.role = request.role;
  command.must_change = request.must_change;
  command.uid = request.uid;
  command.origin = {std::move(by), source_of(origin.header)};
  propose_for(origin, command.kType, encode(command),
              [this](const Envelope& asker, const Result<Outcome>& o) { answer(asker, o); });
}

void Lock::State::on(const Envelope& envelope, const ChangeUser& request) {
  const auto admin = admin_of(envelope);
  if (!admin) return refuse(envelope, admin.error());
  scope.spawn(change_user(origin_of(envelope), request, admin->user));
}

Task<void> Lock::State::change_user(Envelope origin, ChangeUser request, std::string by) {
  lock::EditUser command;
  if (!request.password.bytes.empty()) {
    Task<Result<PasswordHash>> hashing = hash_of(request.password.bytes);
    Result<PasswordHash> hash = co_await hashing;
    if (!hash) {
      refuse(origin, hash.error());
      co_return;
    }
    command.password = std::move(*hash);
  }
  command.user = request.user;
  command.set_role = request.set_role;
  command.role = request.role;
  command.set_locked = request.set_locked;
  command.locked = request.locked;
  command.set_groups = request.set_groups;
  command.groups = request.groups;
  command.origin = {std::move(by), source_of(origin.header)};
  propose_for(origin, command.kType, encode(command),
              [this](const Envelope& asker, const Result<Outcome>& o) { answer(asker, o); });
}

void Lock::State::on(const Envelope& envelope, const RemoveUser& request) {
  const auto admin = admin_of(envelope);
  if (!admin) return refuse(envelope, admin.error());
  const lock::DeleteUser command{request.user, {admin->user, source_of(envelope.header)}};
  propose_for(envelope, command.kType, encode(command),
              [this](const Envelope& asker, const Result<Outcome>& o) { answer(asker, o); });
}

void Lock::State::on(const Envelope& envelope, const SetSignUp& request) {
  const auto admin = admin_of(envelope);
  if (!admin) return refuse(envelope, admin.error());
  const lock::OpenSignUp command{request.open, {admin->user, source_of(envelope.header)}};
  propose_for(envelope, command.kType, encode(command),
              [this](const Envelope& asker, const Result<Outcome>& o) { answer(asker, o); });
}

void Lock::State::on(const Envelope& envelope, const ListUsers& request) {
  const auto asker = asker_of(envelope);
  if (!asker) return refuse(envelope, asker.error());
  read(envelope, request, [asker = *asker](Rows& rows, const ListUsers& asked) {
    return lock::list_users(rows, asked, asker);
  });
}

void Lock::State::on(const Envelope& envelope, const GetUserNames& request) {
  if (const auto asker = asker_of(envelope); !asker) return refuse(envelope, asker.error());
  read(envelope, request,
       [](Rows& rows, const GetUserNames& asked) { return lock::user_names(rows, asked); });
}

// Hashing takes time that strangers must not have for nothing: a source that signs up again and
// again waits like one that fails to log in.
void Lock::State::on(const Envelope& envelope, const SignUp& request) {
  const std::string source = source_of(envelope.header);
  const Duration wait = reign.sources.wait(source, bus.now());
  if (wait > Duration::zero()) return refuse(envelope, must_wait(wait));
  reign.sources.attempt(source, bus.now());
  scope.spawn(sign_up(origin_of(envelope), request));
}

Task<void> Lock::State::sign_up(Envelope origin, SignUp request) {
  Task<Result<PasswordHash>> hashing = hash_of(request.password.bytes);
  Result<PasswordHash> hash = co_await hashing;
  if (!hash) {
    refuse(origin, hash.error());
    co_return;
  }
  lock::EnrollUser command;
  command.user = request.user;
  command.password = std::move(*hash);
  command.session = fresh_session();
  command.lasts_ms = ticket_ms();
  command.now_ms = bus.wall_ms();
  command.origin = {request.user, source_of(origin.header)};
  propose_grant(origin, command.user, command.kType, encode(command));
}

}  // namespace dfs
