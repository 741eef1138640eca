// user list|add|remove|role|groups|lock|unlock|password|sign-up, token create|list|remove
#include <CLI/CLI.hpp>
#include <memory>

#include "broker/config.h"
#include "cli/commands.h"
#include "cli/passwords.h"
#include "cli/ticket_store.h"
#include "messages/secure_random.h"
#include "messages/ticket.h"

namespace dfs::cli {

namespace {

using UserRole = dfs::Role;

struct UserOptions {
  std::string user;
  std::string password_file;
  std::string role;
  std::vector<uint32_t> groups;
  bool admin = false;
  uint32_t uid = kNobodyUid;
  std::string open;
};

std::string groups_text(const UserView& user) {
  std::string text = std::to_string(user.gid);
  for (const uint32_t group : user.groups) text += "," + std::to_string(group);
  return text;
}

std::string state_text(const UserView& user) {
  if (user.locked) return "locked";
  return user.must_change ? "first password" : "";
}

int list_users(Context& context) {
  using Align = TextTable::Align;
  TextTable table({{"USER"},
                   {"UID", Align::right},
                   {"GROUPS"},
                   {"ROLE"},
                   {"SESSIONS", Align::right},
                   {"FAILED", Align::right},
                   {"LAST LOG-IN"},
                   {"STATE"}});
  ListUsers request;
  bool open = false;
  while (true) {
    auto page =
        context.session().run<UserList>([&](Client& client) { return client.users(request); });
    if (!page) return context.fail("", page.error());
    for (const UserView& user : page->users) {
      if (context.json()) {
        context.print(to_json(user));
        continue;
      }
      table.add({user.user, std::to_string(user.uid), groups_text(user), name_of(user.role),
                 std::to_string(user.sessions), std::to_string(user.failures),
                 user.login_ms == 0 ? "-" : human_time(user.login_ms), state_text(user)});
    }
    open = page->sign_up;
    if (!page->more || page->users.empty()) break;
    request.after = page->users.back().user;
  }
  if (context.json()) return context.status();
  std::string text = table.str();
  text.pop_back();
  context.print(text);
  context.say(open ? "anybody may sign up" : "signing up is closed");
  return context.status();
}

// 100 bits that can be read aloud.
std::string made_up_password() {
  constexpr std::string_view kLetters = "abcdefghijkmnpqrstuvwxyz23456789";
  std::string password;
  for (const char byte : secure_random(20)) {
    password.push_back(kLetters[static_cast<unsigned char>(byte) % kLetters.size()]);
  }
  return password;
}

struct FirstPassword {
  std::string text;
  bool made_up = false;
};
Result<FirstPassword> first_password(const UserOptions& options) {
  if (options.password_file.empty()) return FirstPassword{made_up_password(), true};
  auto read = PasswordSource(options.password_file).next("");
  if (!read) return read.error();
  return FirstPassword{*read, false};
}

int tell(Context& context, const Result<UserReply>& reply, const std::string& what,
         const FirstPassword& password = {}) {
  if (!reply) return context.fail("", reply.error());
  if (context.json()) {
    std::string line = to_json(reply->user);
    if (password.made_up) {
      line.pop_back();
      line += ",\"password\":\"" + password.text + "\"}";
    }
    context.print(line);
    return context.status();
  }
  context.print("user " + reply->user.user + " " + what);
  if (password.made_up) context.print("first password, to be changed: " + password.text);
  return context.status();
}

int add_user(Context& context, const UserOptions& options) {
  auto password = first_password(options);
  if (!password) return context.fail("", password.error());
  AddUser request;
  request.user = options.user;
  request.password.bytes = password->text;
  request.role = options.admin ? UserRole::admin : UserRole::user;
  request.uid = options.uid;
  if (const char* why = request.invalid()) return context.fail("", Error{Code::usage, why, {}, 0});
  const auto reply =
      context.session().run<UserReply>([&](Client& client) { return client.add_user(request); });
  return tell(context, reply,
              reply ? "is added, uid " + std::to_string(reply->user.uid) : std::string(),
              *password);
}

int remove_user(Context& context, const UserOptions& options) {
  const auto reply = context.session().run<UserReply>(
      [&](Client& client) { return client.remove_user(options.user); });
  return tell(context, reply, "is removed; their files stay");
}

int change(Context& context, ChangeUser request, const std::string& what,
           const FirstPassword& password = {}) {
  if (const char* why = request.invalid()) return context.fail("", Error{Code::usage, why, {}, 0});
  const auto reply =
      context.session().run<UserReply>([&](Client& client) { return client.change_user(request); });
  return tell(context, reply, what + "; their sessions ended", password);
}

int set_role(Context& context, const UserOptions& options) {
  ChangeUser request;
  request.user = options.user;
  request.set_role = true;
  request.role = options.role == "admin" ? UserRole::admin : UserRole::user;
  return change(context, request, std::string("is ") + name_of(request.role) + " now");
}

int set_locked(Context& context, const UserOptions& options, bool locked) {
  ChangeUser request;
  request.user = options.user;
  request.set_locked = true;
  request.locked = locked;
  return change(context, request, locked ? "is locked" : "may log in");
}

int set_groups(Context& context, const UserOptions& options) {
  ChangeUser request;
  request.user = options.user;
  request.set_groups = true;
  request.groups = options.groups;
  return change(context, request, "has other groups now");
}

int reset_password(Context& context, const UserOptions& options) {
  auto password = first_password(options);
  if (!password) return context.fail("", password.error());
  ChangeUser request;
  request.user = options.user;
  request.password.bytes = password->text;
  return change(context, request, "has another password, to be changed at the next log-in",
                *password);
}

int set_sign_up(Context& context, const UserOptions& options) {
  const bool open = options.open == "open";
  const auto reply = context.session().run<SetSignUpReply>(
      [&](Client& client) { return client.set_sign_up(open); });
  if (!reply) return context.fail("", reply.error());
  if (context.json()) {
    context.print(JsonLine().add("command", context.command).add("open", open).str());
  } else {
    context.print(open ? "anybody may sign up now" : "signing up is closed");
  }
  return context.status();
}

struct TokenOptions {
  AddServiceToken request;
  std::string lasts = "30d";
  bool all = false;
  uint64_t session = 0;
};

int make_token(Context& context, const TokenOptions& options) {
  AddServiceToken request = options.request;
  auto lasts = parse_duration(options.lasts);
  if (!lasts) return context.fail("", lasts.error());
  request.lasts_ms = *lasts / std::chrono::milliseconds(1);
  if (const char* why = request.invalid()) return context.fail("", Error{Code::usage, why, {}, 0});
  auto token = context.session().run<TicketReply>(
      [&](Client& client) { return client.add_service_token(request); });
  if (!token) return context.fail("", token.error());
  const std::string text = ticket_text(token->ticket.bytes);
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("user", token->user);
    context.print(line.add("expires_ms", token->expires_ms).add("token", text).str());
    return context.status();
  }
  context.print(text);
  context.say("of " + token->user + ", until " + human_time(token->expires_ms) +
              "; give it to the program as DFS_TICKET");
  return context.status();
}

int list_tokens(Context& context, const TokenOptions& options) {
  using Align = TextTable::Align;
  TextTable table({{"SESSION", Align::right},
                   {"USER"},
                   {"LABEL"},
                   {"BELOW"},
                   {"RIGHT"},
                   {"SOURCE"},
                   {"SINCE"},
                   {"UNTIL"}});
  ListSessions request;
  if (options.all) request.user = "*";
  while (true) {
    auto page = context.session().run<SessionList>(
        [&](Client& client) { return client.sessions(request); });
    if (!page) return context.fail("", page.error());
    for (const SessionView& one : page->sessions) {
      if (context.json()) {
        context.print(to_json(one));
        continue;
      }
      table.add({std::to_string(one.session), one.user, printable(one.label),
                 printable(one.below.empty() ? "/" : one.below), one.read_only ? "read" : "all",
                 printable(one.source), human_time(one.began_ms), human_time(one.expires_ms)});
    }
    if (!page->more || page->sessions.empty()) break;
    request.after = page->sessions.back().session;
  }
  if (context.json()) return context.status();
  std::string text = table.str();
  text.pop_back();
  context.print(text);
  return context.status();
}

int end_token(Context& context, const TokenOptions& options) {
  auto ended = context.session().run<LogOutReply>(
      [&](Client& client) { return client.end_session(options.session); });
  if (!ended) return context.fail("", ended.error());
  if (context.json()) {
    JsonLine line;
    context.print(line.add("command", context.command).add("session", options.session).str());
  } else {
    context.print("session " + std::to_string(options.session) + " has ended");
  }
  return context.status();
}

// A command below `parent` that names a user.
template <class Run>
CLI::App* user_command(CLI::App& parent, Context& context, std::shared_ptr<UserOptions> options,
                       const char* name, const char* help, Run run) {
  auto* command = parent.add_subcommand(name, help);
  command->add_option("user", options->user, "the name")->required();
  command->callback([&context, options, run] {
    context.run = [&context, options, run] { return run(context, *options); };
  });
  return command;
}

}  // namespace

void add_user_commands(CLI::App& app, Context& context) {
  auto* user = app.add_subcommand("user", "the users, for administrators");
  user->require_subcommand(1);
  auto options = std::make_shared<UserOptions>();
  auto* list =
      user->add_subcommand("list", "all users; those who are no administrators see themselves");
  list->callback([&context] { context.run = [&context] { return list_users(context); }; });
  auto* add = user_command(*user, context, options, "add", "add a user", add_user);
  add->add_flag("--admin", options->admin, "an administrator");
  add->add_option("--uid", options->uid, "the number; else the next one");
  auto* reset = user_command(*user, context, options, "password",
                             "give a user another first password", reset_password);
  for (CLI::App* command : {add, reset}) {
    command->add_option("--password-file", options->password_file,
                        "file with the first password, - for stdin; else one is made up");
  }
  user_command(*user, context, options, "remove", "remove a user", remove_user);
  user_command(*user, context, options, "role", "make somebody a user or an administrator",
               set_role)
      ->add_option("role", options->role, "user or admin")
      ->required()
      ->check(CLI::IsMember({"user", "admin"}));
  user_command(*user, context, options, "groups", "say which groups a user is in", set_groups)
      ->add_option("group", options->groups, "numbers; none: only the user's own")
      ->delimiter(',');
  user_command(*user, context, options, "lock", "let a user log in no more",
               [](Context& c, const UserOptions& o) { return set_locked(c, o, true); });
  user_command(*user, context, options, "unlock", "let a user log in again",
               [](Context& c, const UserOptions& o) { return set_locked(c, o, false); });
  auto* sign_up = user->add_subcommand("sign-up", "say whether anybody may become a user");
  sign_up->add_option("state", options->open, "open or closed")
      ->required()
      ->check(CLI::IsMember({"open", "closed"}));
  sign_up->callback([&context, options] {
    context.run = [&context, options] { return set_sign_up(context, *options); };
  });
}

void add_token_commands(CLI::App& app, Context& context) {
  auto* token = app.add_subcommand("token", "tickets for programs, and all sessions");
  token->require_subcommand(1);
  auto options = std::make_shared<TokenOptions>();
  auto* create = token->add_subcommand("create", "make a ticket for a program, and print it once");
  create->add_option("--label", options->request.label, "what it is for");
  create->add_option("--below", options->request.below, "only this directory and what is below");
  create->add_flag("--read-only", options->request.read_only, "nothing may be changed with it");
  create->add_option("--lasts", options->lasts, "how long, such as 30d; at most a year");
  create->add_option("--user", options->request.user, "for somebody else, as an administrator");
  create->callback([&context, options] {
    context.run = [&context, options] { return make_token(context, *options); };
  });
  auto* list = token->add_subcommand("list", "sessions and service tokens that go on");
  list->add_flag("--all", options->all, "of everybody, for administrators");
  list->callback([&context, options] {
    context.run = [&context, options] { return list_tokens(context, *options); };
  });
  auto* remove = token->add_subcommand("remove", "end one of them");
  remove->add_option("session", options->session, "its number")->required();
  remove->callback([&context, options] {
    context.run = [&context, options] { return end_token(context, *options); };
  });
}

}  // namespace dfs::cli
