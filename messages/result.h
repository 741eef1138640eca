// Errors as values. Result<T> is a T or an Error; nothing in ZDFS throws for what the world does.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace dfs {

// Numbered once, in hundreds per area. Unknown numbers from newer peers are kept as they are.
enum class Code : uint16_t {
  ok = 0,

  // protocol: the sender is at fault, a repetition will not help
  malformed = 100,
  too_large = 101,
  unsupported = 102,
  invalid = 103,  // well-formed, but the values make no sense together

  // availability: nothing is wrong with the request
  unavailable = 200,  // nobody serves this right now; try another broker or replica
  busy = 201,         // a queue is full; try again after retry_after_ms
  timeout = 202,      // the deadline passed; the request may or may not have taken effect
  not_leader = 203,   // cause `leader` names the one to ask, when known
  stale_map = 204,    // the sender's view of a group is old; cause `epoch`
  stopping = 205,     // the actor is shutting down
  cancelled = 206,

  // namespace
  not_found = 300,
  exists = 301,
  not_directory = 302,
  is_directory = 303,
  not_empty = 304,
  bad_name = 305,
  loop = 306,      // a directory cannot move below itself
  conflict = 307,  // the file is not at the version the caller expected
  expired = 308,   // the upload's object is no longer known to be alive
  locked = 309,    // somebody else holds a lock that is in the way; cause `holder`
  deadlock = 310,  // waiting for the lock would never end; cause `cycle`
  fenced = 311,    // the lock that the request was made under was lost meanwhile

  // storage
  no_space = 400,
  corrupt = 401,
  io_error = 402,
  no_such_block = 403,
  too_few_nodes = 404,  // fewer live nodes than the pool's min_copies

  // rights
  denied = 500,
  login_needed = 501,  // no ticket, or one that is no good (any more); cause `reason`

  // this side: files and arguments of the person at the terminal
  local_io = 600,
  local_changed = 601,  // the source file changed while it was read
  usage = 602,
};

const char* name_of(Code code);

// True when the same request, sent again (to another broker, replica or later), may succeed.
bool is_retryable(Code code);

struct Error {
  Code code = Code::ok;
  std::string text;                          // for a person: what, why, what to do next
  std::map<std::string, std::string> cause;  // for a program
  uint32_t retry_after_ms = 0;

  std::string describe() const;  // "not_found: no such file: /a/b"
};

template <class T = void>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  Result(Code code, std::string text)
      : state_(std::in_place_index<1>, Error{code, std::move(text), {}, 0}) {}

  explicit operator bool() const { return state_.index() == 0; }
  bool ok() const { return state_.index() == 0; }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() { return std::get<1>(state_); }
  const Error& error() const { return std::get<1>(state_); }
  Code code() const { return ok() ? Code::ok : error().code; }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  Result(Code code, std::string text) : error_(Error{code, std::move(text), {}, 0}) {}

  explicit operator bool() const { return !error_; }
  bool ok() const { return !error_; }
  Error& error() { return *error_; }
  const Error& error() const { return *error_; }
  Code code() const { return error_ ? error_->code : Code::ok; }

 private:
  std::optional<Error> error_;
};

}  // namespace dfs

// Returns the error of `expression` from the calling function, or goes on.
#define DFS_CHECK(expression)                                                              \
  do {                                                                                     \
    if (auto dfs_result = (expression); !dfs_result) return std::move(dfs_result).error(); \
  } while (false)

// Always on: a false condition is our own bug, never the world's doing.
#define DFS_ASSERT(condition)                                                                \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      std::fprintf(stderr, "%s:%d: assertion failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)
