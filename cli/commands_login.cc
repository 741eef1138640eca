// signup login logout passwd whoami
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.h"
#include "cli/passwords.h"
#include "cli/ticket_store.h"
#include "messages/ticket.h"

namespace dfs::cli {

namespace {

struct LoginOptions {
  std::string user;
  std::string password_file;
  bool print_ticket = false;
  bool everywhere = false;
};

// Says who is logged in now.
int greet(Context& context, const TicketReply& session, bool print_ticket) {
  if (print_ticket) {
    context.print(ticket_text(session.ticket.bytes));
    return context.status();
  }
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("user", session.user);
    line.add("role", name_of(session.role)).add("expires_ms", session.expires_ms);
    context.print(line.add("must_change", session.must_change).str());
    return context.status();
  }
  context.print("logged in as " + session.user + " (" + name_of(session.role) + ") until " +
                human_time(session.expires_ms) +
                (session.must_change
                     ? "; this password is a first one, choose your own with: dfsctl passwd"
                     : ""));
  return context.status();
}

int take(Context& context, const TicketReply& session, bool print_ticket) {
  if (!print_ticket) {
    if (auto kept = context.keep_ticket(session); !kept) return context.fail("", kept.error());
  }
  return greet(context, session, print_ticket);
}

int log_in(Context& context, const LoginOptions& options, bool sign_up) {
  PasswordSource source(options.password_file);
  const std::string prompt = "password of " + options.user;
  auto password = sign_up ? source.next_new(prompt) : source.next(prompt);
  if (!password) return context.fail("", password.error());
  const Blob secret{*password};
  const char* const why =
      sign_up ? SignUp{options.user, secret}.invalid() : LogIn{options.user, secret}.invalid();
  if (why != nullptr) return context.fail("", Error{Code::usage, why, {}, 0});
  auto session = context.session().run<TicketReply>([&](Client& client) {
    return sign_up ? client.sign_up({options.user, secret}) : client.log_in({options.user, secret});
  });
  if (!session) return context.fail("", session.error());
  return take(context, *session, options.print_ticket);
}

int log_out(Context& context, const LoginOptions& options) {
  auto ended = context.session().run<LogOutReply>(
      [&](Client& client) { return client.log_out(options.everywhere); });
  // A session that is over is what was wanted.
  const bool over = ended || ended.code() == Code::login_needed;
  if (auto dropped = context.drop_ticket(); !dropped) return context.fail("", dropped.error());
  if (!over) return context.fail("", ended.error());
  if (context.json()) {
    context.print(JsonLine().add("command", context.command).str());
  } else {
    context.print("logged out");
  }
  return context.status();
}

int change_password(Context& context, const LoginOptions& options) {
  PasswordSource source(options.password_file);
  auto old_password = source.next("present password");
  if (!old_password) return context.fail("", old_password.error());
  auto new_password = source.next_new("new password");
  if (!new_password) return context.fail("", new_password.error());
  const ChangePassword request{Blob{*old_password}, Blob{*new_password}};
  if (const char* why = request.invalid()) {
    return context.fail("", Error{Code::usage, why, {}, 0});
  }
  auto session = context.session().run<TicketReply>(
      [&](Client& client) { return client.change_password(request); });
  if (!session) return context.fail("", session.error());
  return take(context, *session, options.print_ticket);
}

int who_am_i(Context& context) {
  const std::string bytes = context.ticket();
  if (bytes.empty()) {
    return context.fail(
        "",
        Error{Code::login_needed, "nobody is logged in; log in with: dfsctl login USER", {}, 0});
  }
  auto ticket = unverified_ticket(bytes);
  if (!ticket) return context.fail("", ticket.error());
  if (context.json()) {
    context.print(to_json(*ticket));
    return context.status();
  }
  std::string line = ticket->user + ", " + name_of(ticket->role) + ", uid " +
                     std::to_string(ticket->uid) + ", gid " + std::to_string(ticket->gid);
  if (!ticket->below.empty()) line += ", only below " + Context::shown(ticket->below);
  if (ticket->read_only) line += ", only to read";
  context.print(line + ", until " + human_time(ticket->expires_ms));
  return context.status();
}

void add_password_file(CLI::App& command, LoginOptions& options) {
  command.add_option("--password-file", options.password_file,
                     "file with the password, - for stdin; else it is asked for");
}

}  // namespace

void add_login_commands(CLI::App& app, Context& context) {
  auto options = std::make_shared<LoginOptions>();
  for (const bool sign_up : {true, false}) {
    auto* command = app.add_subcommand(sign_up ? "signup" : "login",
                                       sign_up ? "become a user, where anybody may"
                                               : "say who you are, for the commands after it");
    command->add_option("user", options->user, "the name")->required();
    add_password_file(*command, *options);
    command->add_flag("--print-ticket", options->print_ticket,
                      "print the ticket, for DFS_TICKET, and keep it nowhere");
    command->callback([&context, options, sign_up] {
      context.run = [&context, options, sign_up] { return log_in(context, *options, sign_up); };
    });
  }
  auto* logout = app.add_subcommand("logout", "end the session");
  logout->add_flag("--everywhere", options->everywhere, "end all sessions of this user");
  logout->callback([&context, options] {
    context.run = [&context, options] { return log_out(context, *options); };
  });
  auto* passwd = app.add_subcommand("passwd", "choose another password");
  passwd->add_option("--password-file", options->password_file,
                     "file with two lines, the present and the new one; - for stdin");
  passwd->callback([&context, options] {
    context.run = [&context, options] { return change_password(context, *options); };
  });
  auto* whoami = app.add_subcommand("whoami", "who is logged in, by the ticket here");
  whoami->callback([&context] { context.run = [&context] { return who_am_i(context); }; });
}

}  // namespace dfs::cli
