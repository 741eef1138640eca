#include "tests/sim/locks/workload.h"

#include "messages/crc32c.h"
#include "tests/sim/cluster.h"
#include "tests/sim/world.h"

namespace dfs::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr uint32_t kRoots = 2;
constexpr Duration kChangeDeadline = seconds(5);
constexpr Duration kStrictWait = seconds(120);

std::string root_name(uint64_t number) {
  return "/locked " + std::to_string(number);
}

}  // namespace

LockWorker::LockWorker(Process& process, const Options& options, Random random,
                       LockChecker& checker, Findings& findings)
    : process_(process),
      options_(options),
      random_(random),
      checker_(checker),
      findings_(findings) {}

void LockWorker::poll() {
  if (busy_ && process_.incarnation() != incarnation_) busy_ = false;
  if (busy_ || left_ == 0 || !process_.ready()) return;
  busy_ = true;
  incarnation_ = process_.incarnation();
  Client& client = Cluster::client(process_);
  client.scope().spawn(work(&client));
}

void LockWorker::failed(const std::string& what, const Error& error) {
  ++findings_.unknown;
  process_.world().trace("unknown", process_.name(), 0, what + ": " + error.describe());
  if (strict) {
    findings_.fault(process_.name() + ": " + what +
                    " must succeed in a healthy cluster: " + error.describe());
  }
}

Task<void> LockWorker::work(Client* client) {
  while (!made_roots_ && findings_.good()) {
    Task<void> making = make_roots(client);
    co_await making;
  }
  while (left_ > 0 && findings_.good()) {
    --left_;
    ++findings_.operations;
    Task<void> operating = operate(client);
    co_await operating;
    Task<void> pausing = sleep(client->bus(), random_.between(Duration(0), options_.pause_max));
    co_await pausing;
  }
  busy_ = false;
}

Task<void> LockWorker::make_roots(Client* client) {
  made_roots_ = true;
  for (uint32_t i = 1; i <= kRoots; ++i) {
    Task<Result<MakeDirReply>> making = client->make_dir(root_name(i), false);
    const Result<MakeDirReply> made = co_await making;
    made_roots_ = made_roots_ && (made || made.code() == Code::exists);
  }
  Task<void> pausing = sleep(client->bus(), milliseconds(100));
  co_await pausing;
}

std::string LockWorker::some_root() {
  return root_name(random_.between(1, kRoots));
}

Wanted LockWorker::something_below(const std::string& root) {
  Wanted wanted;
  wanted.mode = random_.chance(0.4) ? LockMode::shared : LockMode::exclusive;
  wanted.waits = strict || random_.chance(0.85);
  wanted.target.path = root;
  const uint64_t dice = random_.below(10);
  if (dice < 2) {
    wanted.target.subtree = true;
  } else {
    wanted.target.path += dice < 7 ? "/a" : "/b";
    if (dice < 5) return wanted;
    wanted.target.from = random_.below(3) * 10;
    wanted.target.until = wanted.target.from + random_.between(1, 20);
  }
  return wanted;
}

// Mostly short; some are longer than a lease.
Duration LockWorker::some_time() {
  const bool long_one = !strict && random_.chance(0.05);
  return random_.between(Duration(0), long_one ? 2 * options_.lock_lease : milliseconds(150));
}

Task<void> LockWorker::operate(Client* client) {
  const uint64_t dice = random_.below(100);
  if (dice < 10) return look(client);
  if (dice < 14 && !strict) return break_one(client);
  if (dice < 24 && !strict) return use_two(client);
  return use_one(client);
}

Task<void> LockWorker::look(Client* client) {
  const std::string root = some_root();
  const Wanted wanted = something_below(root);
  LockOwner owner(client->locks());
  LockWish wish;
  wish.target = wanted.target;
  wish.mode = wanted.mode;
  const History::Id id = checker_.looks(root, wanted);
  Task<Result<LockReply>> asking = owner.ask(wish);
  const Result<LockReply> reply = co_await asking;
  if (reply || reply.code() == Code::locked) {
    checker_.found(id, wanted, reply.ok());
  } else {
    failed("looking for a lock", reply.error());
  }
}

Task<void> LockWorker::break_one(Client* client) {
  const LockId lock = checker_.some_lock(random_);
  if (lock == 0) co_return;
  checker_.breaks(lock);
  Task<Result<ReleaseLockReply>> breaking = client->break_lock(lock);
  const Result<ReleaseLockReply> broken = co_await breaking;
  if (!broken && broken.code() != Code::not_found) failed("breaking a lock", broken.error());
}

Task<void> LockWorker::use_one(Client* client) {
  Held held;
  Task<bool> taking =
      take(client, std::make_shared<LockOwner>(client->locks()), some_root(), &held);
  const bool taken = co_await taking;
  if (!taken) co_return;
  Task<void> changing = change(client, &held);
  co_await changing;
  Task<void> giving = give_back(&held);
  co_await giving;
}

Task<void> LockWorker::use_two(Client* client) {
  const auto owner = std::make_shared<LockOwner>(client->locks());
  const uint64_t first = random_.between(1, kRoots);
  Held one;
  Held other;
  Task<bool> taking = take(client, owner, root_name(first), &one);
  const bool taken = co_await taking;
  if (!taken) co_return;
  Task<bool> taking_other = take(client, owner, root_name(first % kRoots + 1), &other);
  const bool taken_other = co_await taking_other;
  if (taken_other) {
    Task<void> changing = change(client, &other);
    co_await changing;
    Task<void> giving = give_back(&other);
    co_await giving;
  }
  Task<void> giving = give_back(&one);
  co_await giving;
}

Task<bool> LockWorker::take(Client* client, std::shared_ptr<LockOwner> owner, std::string root,
                            Held* held) {
  const Wanted wanted = something_below(root);
  const LockChecker::Id id = checker_.asked(root, wanted, owner);
  LockWish wish;
  wish.target = wanted.target;
  wish.mode = wanted.mode;
  wish.wait = strict ? kStrictWait : random_.between(milliseconds(50), 2 * options_.lock_lease);
  if (!wanted.waits) wish.wait = Duration(0);
  wish.waiting = [this, id](const LockReply& reply) { checker_.waits(id, reply.lock); };
  Task<Result<LockReply>> acquiring = owner->acquire(wish);
  Result<LockReply> reply = co_await acquiring;
  if (!reply) {
    const Code code = reply.code();
    checker_.refused(id, code);
    const bool rightly = (code == Code::locked && !strict) || code == Code::deadlock;
    if (rightly) ++findings_.refused;
    if (!rightly) failed("taking a lock on " + wish.target.path, reply.error());
    co_return false;
  }
  checker_.granted(id, *reply);
  held->owner = std::move(owner);
  held->id = id;
  held->reply = std::move(*reply);
  held->reply.blockers.clear();
  if (wanted.target.until == UINT64_MAX && random_.chance(0.3)) {
    Task<void> showing = show(held, wish);
    co_await showing;
  }
  Task<void> pausing = sleep(client->bus(), some_time());
  co_await pausing;
  co_return true;
}

// From then on nothing is changed under earlier locks of what this one is for.
Task<void> LockWorker::show(const Held* held, LockWish wish) {
  Task<Result<ShowFenceReply>> showing = held->owner->show(wish, held->reply);
  const Result<ShowFenceReply> shown = co_await showing;
  if (!shown) {
    refused(*held, shown.error(), "showing the lock on " + wish.target.path);
    co_return;
  }
  for (const char* below : {"", "/a", "/b"}) {
    if (*below != 0 && !wish.target.subtree) continue;
    checker_.shown(wish.target.path + below, shown->receipt.index, held->reply.fence);
  }
}

// What may be changed under the lock, whoever else has meanwhile got it.
Task<void> LockWorker::change(Client* client, const Held* held) {
  const Wanted& wanted = checker_.wanted(held->id);
  const bool whole = wanted.target.until == UINT64_MAX;
  if (wanted.mode != LockMode::exclusive || !whole) co_return;
  std::string path = wanted.target.path;
  if (wanted.target.subtree) path += random_.chance(0.5) ? "/a" : "/b";
  Task<void> changing = random_.chance(0.2) ? remove(client, held, path) : put(client, held, path);
  co_await changing;
}

// Whoever is still sure of the lock cannot have lost it.
void LockWorker::refused(const Held& held, const Error& error, const std::string& what) {
  if (error.code != Code::fenced) return failed(what, error);
  ++findings_.refused;
  if (held.owner->sure() && !checker_.broken(held.id)) {
    findings_.fault(what + " was fenced though its lock is held: " + error.describe());
  }
}

Task<void> LockWorker::put(Client* client, const Held* held, std::string path) {
  CommitFile request;
  request.path = path;
  request.content.bytes = std::to_string(random_.next());
  request.size = request.content.bytes.size();
  request.crc32c = crc32c(request.content.bytes);
  request.fence = held->reply.fence;
  CallOptions options;
  options.deadline = kChangeDeadline;
  Task<Result<Answer<CommitFile>>> asking =
      client->calls().ask<CommitFile>("monitor", std::move(request), std::move(options));
  const Result<Answer<CommitFile>> answer = co_await asking;
  if (answer) {
    checker_.changed(path, answer->message.receipt.index, held->reply.fence,
                     "version " + std::to_string(answer->message.version));
  } else {
    refused(*held, answer.error(), "a put to " + path);
  }
}

Task<void> LockWorker::remove(Client* client, const Held* held, std::string path) {
  Remove request;
  request.path = path;
  request.fence = held->reply.fence;
  Task<Result<RemoveReply>> removing = client->remove(std::move(request), LockOptions());
  const Result<RemoveReply> removed = co_await removing;
  if (removed) {
    checker_.changed(path, removed->receipt.index, held->reply.fence, "removed");
  } else if (removed.code() != Code::not_found) {
    refused(*held, removed.error(), "a removal of " + path);
  }
}

// Or lets go of it, which gives it back in the background.
Task<void> LockWorker::give_back(const Held* held) {
  if (random_.chance(0.25)) {
    checker_.release_asked(held->id);
    co_return;
  }
  checker_.release_asked(held->id);
  Task<Result<void>> releasing = held->owner->release(held->reply.lock);
  const Result<void> released = co_await releasing;
  if (released) {
    checker_.released(held->id);
  } else {
    failed("releasing a lock", released.error());
  }
}

}  // namespace dfs::sim
