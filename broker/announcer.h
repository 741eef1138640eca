// Tells every broker, again and again, which service this actor serves.
#pragma once

#include <string>

#include "broker/bus.h"
#include "messages/cluster.h"

namespace dfs {

class Announcer {
 public:
  Announcer(Bus& bus, Duration period) : bus_(bus), period_(period) {}
  ~Announcer() { bus_.cancel(timer_); }
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;

  void begin(std::string service, uint64_t term = 0) {
    announce_ = Announce{std::move(service), term};
    bus_.cancel(timer_);
    tick();
  }

 private:
  void tick() {
    // A broker that is down is told when it is back; a lost announcement is repeated soon.
    for (const Link& broker : bus_.brokers())
      (void)bus_.send(broker, envelope_of(announce_, "broker"));
    timer_ = bus_.after(period_, [this] { tick(); });
  }

  Bus& bus_;
  Duration period_;
  Announce announce_;
  Bus::TimerId timer_ = 0;
};

}  // namespace dfs
