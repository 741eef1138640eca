#include "tests/sim/world.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "tests/sim/network.h"
#include "tests/sim/sim_bus.h"

namespace dfs::sim {

World::World(uint64_t seed) : random_(seed) {
  network_ = std::make_unique<Network>(*this, random_.fork());
}

World::~World() {
  for (auto& process : processes_) process->kill(Crash::process);
}

Process& World::add(ProcessSettings settings) {
  DFS_ASSERT(find(settings.name) == nullptr);
  processes_.push_back(std::make_unique<Process>(*this, std::move(settings), processes_.size()));
  return *processes_.back();
}

Process* World::find(std::string_view name) {
  for (auto& process : processes_) {
    if (process->name() == name) return process.get();
  }
  return nullptr;
}

bool World::later(const Event& a, const Event& b) {
  return a.time != b.time ? a.time > b.time : a.sequence > b.sequence;
}

void World::push(Event event) {
  queue_.push_back(std::move(event));
  std::push_heap(queue_.begin(), queue_.end(), later);
}

void World::after(Duration delay, Process* process, std::function<void()> act) {
  const Duration time = now_ + std::max(delay, Duration::zero());
  const uint64_t incarnation = process != nullptr ? process->incarnation() : 0;
  // What an actor begins while it is being destroyed never happens.
  if (process != nullptr && incarnation == 0) return;
  push(Event{time, ++sequence_, process, incarnation, std::move(act)});
}

void World::release(const Process& process) {
  const auto found = held_.find(process.index());
  if (found == held_.end()) return;
  std::vector<Event> events = std::move(found->second);
  held_.erase(found);
  for (Event& event : events) {
    event.time = now_;
    event.sequence = ++sequence_;
    push(std::move(event));
  }
}

bool World::step() {
  if (queue_.empty()) return false;
  std::pop_heap(queue_.begin(), queue_.end(), later);
  Event event = std::move(queue_.back());
  queue_.pop_back();
  now_ = event.time;
  ++events_;
  Process* const process = event.process;
  if (process != nullptr) {
    if (process->incarnation() != event.incarnation) return true;
    if (process->frozen()) {
      held_[process->index()].push_back(std::move(event));
      return true;
    }
  }
  running_ = process;
  event.act();
  running_ = nullptr;
  if (after_event) after_event(process);
  return true;
}

void World::run_for(Duration duration) {
  // An event at the end makes the clock arrive there.
  bool over = false;
  after(duration, [&over] { over = true; });
  while (!over) step();
}

bool World::run_until(const std::function<bool()>& condition, Duration limit) {
  const Duration end = now_ + limit;
  while (!condition()) {
    if (queue_.empty() || queue_.front().time > end) return false;
    step();
  }
  return true;
}

void World::trace(std::string_view kind, std::string_view who, uint64_t number,
                  std::string_view what) {
  const auto mix = [this](const void* data, size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (size_t i = 0; i < size; ++i) trace_hash_ = (trace_hash_ ^ bytes[i]) * 0x100000001b3ull;
  };
  const int64_t time = now_.count();
  mix(&time, sizeof time);
  mix(kind.data(), kind.size());
  mix(who.data(), who.size());
  mix(&number, sizeof number);
  mix(what.data(), what.size());
  say(kind, who, what);
}

void World::say(std::string_view kind, std::string_view who, std::string_view what) const {
  if (!verbose) return;
  std::fprintf(stderr, "%12.6f %-10.*s %-8.*s %.*s\n", static_cast<double>(now_.count()) / 1e9,
               static_cast<int>(who.size()), who.data(), static_cast<int>(kind.size()), kind.data(),
               static_cast<int>(what.size()), what.data());
}

}  // namespace dfs::sim
