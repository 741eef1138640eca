// The inside of the Lock actor. Its parts are in files by concern: lock.cc (life cycle), heads.cc
// (how its group follows the cluster's heads), requests.cc (what reaches it), users.cc and
// sessions.cc (what is asked about users), tickets.cc (judging them, and what is published).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "actors/lock/commands.h"
#include "actors/lock/denials.h"
#include "actors/lock/lock.h"
#include "actors/lock/lock_machine.h"
#include "actors/lock/lock_service.h"
#include "actors/lock/password_queue.h"
#include "actors/lock/throttle.h"
#include "actors/replica/service.h"
#include "broker/announcer.h"
#include "broker/calls.h"
#include "broker/task.h"
#include "messages/cluster.h"
#include "messages/events.h"
#include "messages/heads.h"
#include "messages/user_names.h"
#include "messages/users.h"

namespace dfs {

struct Lock::State : Service {
  State(Bus& bus_, Disk& disk_, Table& table_, LockSettings settings_);
  ~State() override;

  // Life cycle (lock.cc).
  void start(std::function<void(Result<void>)> done);
  Task<void> begin();
  Task<Result<Identity>> await_identity();
  Task<Result<void>> identify();
  Task<void> note_founded();
  void open();
  void report_ready(Result<void> outcome);
  void lead();
  Task<void> found();
  void serve();
  void follow();
  void stop(std::function<void()> stopped);
  void cancel_timers();
  void command_failed(const char* name, const Error& error);
  bool founded() const override { return machine.founded(); }

  // Heads (heads.cc).
  Task<void> belong();
  void heads_changed();
  void take_brokers(const Envelope& map);
  Task<void> admit(Envelope origin, AddHead request);
  bool makes_room(MemberId head, const AddHead& request);
  void tend_heads();
  Task<void> remove_strangers();
  void on(const Envelope& envelope, const AddHead& request);
  void on(const Envelope& envelope, const ListHeads& request);
  void on(const Envelope& envelope, const TransferLead& request);

  // Requests (requests.cc).
  void receive(Envelope& envelope);
  bool refused_outsider(const Envelope& envelope);
  void on(const Envelope& envelope, const Ping& request);
  void on(const Envelope& envelope, const ReadEvents& request);
  void on(const Envelope& envelope, const GetTicketKeys& request);

  // Keys of tickets (ticket_keys.cc).
  void on(const Envelope& envelope, const RotateTicketKey& request);

  // Users (users.cc).
  void on(const Envelope& envelope, const AddUser& request);
  void on(const Envelope& envelope, const ChangeUser& request);
  void on(const Envelope& envelope, const RemoveUser& request);
  void on(const Envelope& envelope, const ListUsers& request);
  void on(const Envelope& envelope, const GetUserNames& request);
  void on(const Envelope& envelope, const SetSignUp& request);
  void on(const Envelope& envelope, const SignUp& request);
  Task<void> add_user(Envelope origin, AddUser request, std::string by);
  Task<void> change_user(Envelope origin, ChangeUser request, std::string by);
  Task<void> sign_up(Envelope origin, SignUp request);
  Task<Result<PasswordHash>> hash_of(std::string password);

  // Sessions (sessions.cc).
  void on(const Envelope& envelope, const LogIn& request);
  void on(const Envelope& envelope, const RenewTicket& request);
  void on(const Envelope& envelope, const LogOut& request);
  void on(const Envelope& envelope, const ChangePassword& request);
  void on(const Envelope& envelope, const AddServiceToken& request);
  void on(const Envelope& envelope, const ListSessions& request);
  void on(const Envelope& envelope, const EndSession& request);
  Task<void> log_in(Envelope origin, LogIn request);
  Task<void> change_password(Envelope origin, ChangePassword request, Ticket asker);
  // The entry that set the user's password, when that is `password`; `denied`, or `busy` when the
  // user or the source has to wait, otherwise.
  Task<Result<LogIndex>> check_password(std::string user, std::string password, Envelope origin);
  // Answers with the ticket that comes of it, which is one of `user`.
  void propose_grant(const Envelope& envelope, std::string user, Type type, std::string body);

  // Locks (locks.cc; lock_service.h).
  Result<lock::LockService::Asker> locker_of(const Envelope& envelope, const LockTarget* target,
                                             bool changes);
  Result<lock::LockService::Asker> ender_of(const Envelope& envelope, LockId lock);
  void on(const Envelope& envelope, const AcquireLock& request);
  void on(const Envelope& envelope, const AwaitLock& request);
  void on(const Envelope& envelope, const RenewLocks& request);
  void on(const Envelope& envelope, const ReleaseLock& request);
  void on(const Envelope& envelope, const BreakLock& request);
  void on(const Envelope& envelope, const ListLocks& request);

  // Tickets (tickets.cc).
  // Whose ticket the request carries. Counts what is refused.
  Result<Ticket> asker_of(const Envelope& envelope, bool may_be_first = false);
  Result<Ticket> admin_of(const Envelope& envelope);
  void deny(const Envelope& envelope, const std::string& user, const std::string& what);
  void learn_tickets();
  void publish_tickets();
  void note_denials();
  void tidy();
  void applied(const lock::LockMachine::Change& change);
  int64_t ticket_ms() const { return settings.ticket_lasts / std::chrono::milliseconds(1); }
  uint64_t fresh_session();

  Bus& bus;
  Disk& disk;
  Table& table;
  const LockSettings settings;
  lock::LockMachine machine;
  Replica replica;
  Calls calls;
  Identity identity;
  std::function<void(Result<void>)> ready;  // until it was called
  bool founder = false;
  bool noted_founded = false;
  std::optional<bool> needs_ticket;  // settings.locks_need_ticket, once it is known
  bool begun = false;                // replica.open() was called
  // The others know these data. Until then it must not speak for those that its head had before.
  bool admitted = false;
  bool stopping = false;
  std::optional<Announcer> announcer;  // of what any head serves
  std::string first_password;          // of the first administrator, while that is made
  lock::PasswordQueue passwords;
  lock::LockService locks;

  // What a leader keeps in memory. It begins afresh with each reign, and ends with it.
  struct Reign {
    std::unique_ptr<Announcer> announcer;
    TicketJudge judge;
    TicketKeys keys;
    lock::Throttle users{std::chrono::seconds(10)};
    lock::Throttle sources{std::chrono::seconds(60)};
    lock::Denials denials;
    bool noting = false;  // NoteDenials is on its way into the log
    bool tidying = false;
    bool looking = false;  // at the monitor's heads
    Bus::TimerId publish_timer = 0;
    Bus::TimerId denials_timer = 0;
    Bus::TimerId tidy_timer = 0;
    Bus::TimerId heads_timer = 0;
  };
  Reign reign;

  TaskScope scope;  // last: its flows use all of the above
};

// Where a request came from, as far as is known.
std::string source_of(const Header& header);
// What is left of a request when it is answered.
Envelope origin_of(const Envelope& envelope);
// The refusal of a log-in that comes too soon.
Error must_wait(Duration wait);

}  // namespace dfs
