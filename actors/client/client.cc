#include "actors/client/client.h"

#include "actors/client/client_state.h"
#include "actors/client/download.h"
#include "actors/client/upload.h"

namespace dfs {

Client::Client(Bus& bus, ClientSettings settings)
    : state_(std::make_unique<State>(bus, settings)) {}

Client::~Client() = default;

void Client::start(std::function<void(Result<void>)> ready) {
  ready({});
}

void Client::receive(Envelope envelope) {
  // What is no reply that somebody waits for comes too late; nobody sends requests to a client.
  (void)state_->calls.receive(envelope);
}

void Client::observe(const std::string& topic, Envelope envelope) {
  if (!topic.starts_with(kEventTopic) || envelope.header.type != Event::kType) return;
  const Result<Event> event = decode<Event>(envelope.body);
  if (!event) {
    state_->bus.log(Level::debug, "undecodable event", {{"why", event.error().text}});
    return;
  }
  state_->hear(*event);
}

void Client::link_down(const Link& link) {
  state_->calls.link_down(link);
}

void Client::stop(std::function<void()> stopped) {
  state_->scope.clear();
  state_->locks.finish(std::move(stopped));
}

Task<Result<TransferReport>> Client::put(std::shared_ptr<Source> source, std::string path,
                                         TransferOptions options) {
  Upload upload(state_->workbench(), std::move(source), std::move(path), std::move(options));
  Task<Result<TransferReport>> running = upload.run();
  Result<TransferReport> report = co_await running;
  co_return report;
}

Task<Result<TransferReport>> Client::get(std::string path, std::shared_ptr<Sink> sink,
                                         TransferOptions options) {
  Download download(state_->workbench(), std::move(path), std::move(sink), std::move(options));
  Task<Result<TransferReport>> running = download.run();
  Result<TransferReport> report = co_await running;
  co_return report;
}

Locks& Client::locks() {
  return state_->locks;
}

TaskScope& Client::scope() {
  return state_->scope;
}
Bus& Client::bus() {
  return state_->bus;
}

Calls& Client::calls() {
  return state_->calls;
}

}  // namespace dfs
