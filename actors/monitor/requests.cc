#include "actors/monitor/monitor_state.h"
#include "actors/monitor/reads.h"

namespace dfs {

void Monitor::State::receive(const Envelope& envelope) {
  // An error is somebody's answer; answering it could go on for ever.
  if (envelope.header.type == Type::Error) return;
  if (stopping) {
    return refuse(envelope,
                  Error{Code::stopping, "the monitor is shutting down; ask again", {}, 0});
  }
  if (!leading) {
    return refuse(envelope, Error{Code::unavailable,
                                  "the monitor is starting: it replays its log; ask "
                                  "again in a moment",
                                  {},
                                  200});
  }
  const Result<void> understood =
      dispatch<Stat, List, OpenFile, MakeDir, Rename, Remove, PlanFile, CommitFile, Join, GetMap,
               GetStatus, Ping>(*this, envelope);
  if (!understood) refuse(envelope, understood.error());
}

void Monitor::State::on(const Envelope& envelope, const Stat& request) {
  Rows rows(table);
  answer_with(envelope, stat(rows, request));
}

void Monitor::State::on(const Envelope& envelope, const List& request) {
  Rows rows(table);
  answer_with(envelope, list(rows, request));
}

void Monitor::State::on(const Envelope& envelope, const OpenFile& request) {
  Rows rows(table);
  answer_with(envelope, open_file(rows, cluster(), request));
}

void Monitor::State::on(const Envelope& envelope, const MakeDir&) {
  change(envelope);
}
void Monitor::State::on(const Envelope& envelope, const Rename&) {
  change(envelope);
}
void Monitor::State::on(const Envelope& envelope, const Remove&) {
  change(envelope);
}
void Monitor::State::on(const Envelope& envelope, const CommitFile&) {
  change(envelope);
}

void Monitor::State::on(const Envelope& envelope, const GetMap&) {
  answer_with(envelope, Result<ClusterMap>(cluster().map()));
}

void Monitor::State::on(const Envelope& envelope, const Ping& request) {
  answer_with(envelope, Result<Pong>(Pong{request.nonce, bus.address()}));
}

// The request goes into the log as it came; dispatch() has seen that it decodes.
void Monitor::State::change(const Envelope& envelope) {
  const Header& header = envelope.header;
  Command command;
  command.type = header.type;
  command.body = envelope.body;
  command.client = header.request != 0 ? header.from : std::string();
  command.request = header.request;
  command.trace = header.trace;
  Envelope origin{header, {}, {}, envelope.link};
  replica.propose(std::move(command), [this, origin = std::move(origin)](Result<Outcome> outcome) {
    answer(origin, outcome);
  });
}

void Monitor::State::refuse(const Envelope& request, const Error& error) {
  if (request.header.request != 0) (void)bus.reply(reply_to(request, error));
}

void Monitor::State::answer(const Envelope& request, const Result<Outcome>& outcome) {
  if (!outcome) return refuse(request, outcome.error());
  if (request.header.request == 0) return;
  Envelope reply = reply_to(request, ErrorReply());
  reply.header.type = outcome->type;
  reply.body = outcome->body;
  (void)bus.reply(std::move(reply));
}

}  // namespace dfs
