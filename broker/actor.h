// What every part of ZDFS is: one object that receives, on one thread.
#pragma once

#include <functional>
#include <string>

#include "broker/bus.h"

namespace dfs {

class Actor {
 public:
  virtual ~Actor() = default;

  // Called once, first. The actor is ready when `ready` has been called, with success or with the
  // reason why it cannot work; until then its owner waits. receive() may be called before.
  virtual void start(std::function<void(Result<void>)> ready) = 0;

  // A message arrived: a request (answer with bus.reply(reply_to(…))), a reply, or one-way news.
  virtual void receive(Envelope envelope) = 0;

  // Something was published on a topic this actor subscribed to.
  virtual void observe(const std::string& topic, Envelope envelope) {
    (void)topic;
    (void)envelope;
  }

  // The connection behind `link` is gone.
  virtual void link_down(const Link& link) { (void)link; }

  // Asked to stop: finish or refuse what is under way, then call `stopped`. The owner waits at most
  // 2 s before it destroys the actor anyway.
  virtual void stop(std::function<void()> stopped) { stopped(); }
};

}  // namespace dfs
