#include "cli/tree_walk.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "cli/paths.h"

namespace dfs::cli {

namespace {

constexpr size_t kAheadMax = 8;        // first pages asked for ahead, of one directory's children
constexpr size_t kPagesAheadMax = 64;  // of all directories together

using Page = std::future<Result<ListReply>>;

// Threads that ask for pages, in the order of the questions.
class PageReaders {
 public:
  PageReaders(TreeWalk::Lister lister, size_t count) : lister_(std::move(lister)) {
    for (size_t i = 0; i < std::max<size_t>(count, 1); ++i) {
      threads_.emplace_back([this] { serve(); });
    }
  }
  ~PageReaders() {
    {
      const std::scoped_lock lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
  }
  PageReaders(const PageReaders&) = delete;
  PageReaders& operator=(const PageReaders&) = delete;

  // Those that are `waited_for` go before those that may be needed later.
  Page ask(std::string directory, std::string after, bool waited_for) {
    std::packaged_task<Result<ListReply>()> task(
        [this, directory = std::move(directory), after = std::move(after)] {
          return lister_(directory, after);
        });
    Page page = task.get_future();
    {
      const std::scoped_lock lock(mutex_);
      tasks_.insert(waited_for ? tasks_.begin() : tasks_.end(), std::move(task));
    }
    changed_.notify_one();
    return page;
  }

 private:
  void serve() {
    while (true) {
      std::packaged_task<Result<ListReply>()> task;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ended_ || !tasks_.empty(); });
        if (ended_) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  TreeWalk::Lister lister_;
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool ended_ = false;
  std::deque<std::packaged_task<Result<ListReply>()>> tasks_;
  std::vector<std::jthread> threads_;  // last: they use all of the above
};

}  // namespace

struct TreeWalk::State {
  struct Entry {
    Found found;
    std::optional<Page> first_page;  // asked for ahead
  };
  // A directory on the way down.
  struct Frame {
    Found directory;
    std::deque<Entry> entries = {};  // to be visited
    std::optional<Page> next = {};   // page; none: the last one has arrived
    size_t looked_at = 0;            // of the entries: they need no first page, or it is asked for
    size_t ahead = 0;                // first pages asked for
  };

  State(Lister lister, WalkRules r, size_t at_once)
      : rules(std::move(r)), readers(std::move(lister), at_once) {}

  bool enters(const Found& found) const {
    return found.directory() && found.depth < rules.depth_max;
  }
  void enter(Entry entry, bool asked_by_parent);
  bool fill(Frame& frame, const WalkVisitor& visitor);
  void take(Frame& frame, ListReply page);
  void look_ahead(Frame& frame);
  bool step(const WalkVisitor& visitor);

  WalkRules rules;
  std::vector<Frame> frames;
  size_t pages_ahead = 0;
  PageReaders readers;
};

void TreeWalk::State::enter(Entry entry, bool asked_by_parent) {
  if (asked_by_parent) --pages_ahead;
  Frame frame{std::move(entry.found)};
  frame.next =
      asked_by_parent ? std::move(*entry.first_page) : readers.ask(frame.directory.path, "", true);
  frames.push_back(std::move(frame));
}

void TreeWalk::State::take(Frame& frame, ListReply page) {
  if (page.more && !page.entries.empty()) {
    frame.next = readers.ask(frame.directory.path, page.entries.back().name, true);
  }
  for (ListEntry& listed : page.entries) {
    // Names come from the network: none may lead elsewhere.
    if (bad_name(listed.name) != nullptr) continue;
    Entry entry;
    entry.found.path = join_path(frame.directory.path, listed.name);
    entry.found.name = std::move(listed.name);
    entry.found.info = std::move(listed.info);
    entry.found.depth = frame.directory.depth + 1;
    if (!rules.keep || rules.keep(entry.found)) frame.entries.push_back(std::move(entry));
  }
}

// Two entries, if there are: of the first it is known then whether it is the last. False when that
// ends the walk.
bool TreeWalk::State::fill(Frame& frame, const WalkVisitor& visitor) {
  while (frame.entries.size() < 2 && frame.next) {
    Result<ListReply> page = frame.next->get();
    frame.next.reset();
    if (page) {
      take(frame, std::move(*page));
      continue;
    }
    const bool gone = page.code() == Code::not_found || page.code() == Code::not_directory;
    if (gone && frame.directory.depth > 0) continue;
    if (!visitor.failed(frame.directory, page.error())) return false;
  }
  return true;
}

void TreeWalk::State::look_ahead(Frame& frame) {
  while (frame.looked_at < frame.entries.size() && frame.ahead < kAheadMax &&
         pages_ahead < kPagesAheadMax) {
    Entry& entry = frame.entries[frame.looked_at++];
    if (!enters(entry.found)) continue;
    entry.first_page = readers.ask(entry.found.path, "", false);
    ++frame.ahead;
    ++pages_ahead;
  }
}

bool TreeWalk::State::step(const WalkVisitor& visitor) {
  Frame& frame = frames.back();
  if (!fill(frame, visitor)) return false;
  if (frame.entries.empty()) {
    const Found directory = std::move(frame.directory);
    frames.pop_back();
    return !visitor.leave || visitor.leave(directory);
  }
  look_ahead(frame);
  Entry entry = std::move(frame.entries.front());
  frame.entries.pop_front();
  if (frame.looked_at > 0) --frame.looked_at;
  const bool asked = entry.first_page.has_value();
  if (asked) --frame.ahead;
  entry.found.last = frame.entries.empty();
  if (!visitor.visit(entry.found)) return false;
  if (enters(entry.found)) enter(std::move(entry), asked);
  return true;
}

TreeWalk::TreeWalk(Lister lister, WalkRules rules, size_t at_once)
    : state_(std::make_unique<State>(std::move(lister), std::move(rules), at_once)) {}

TreeWalk::~TreeWalk() = default;

void TreeWalk::run(Found root, const WalkVisitor& visitor) {
  root.last = true;
  if (!visitor.visit(root) || !state_->enters(root)) return;
  state_->enter({std::move(root), {}}, false);
  while (!state_->frames.empty()) {
    if (!state_->step(visitor)) return;
  }
}

std::string Found::below(const std::string& root) const {
  if (path.size() <= root.size()) return {};
  return path.substr(root == "/" ? 1 : root.size() + 1);
}

}  // namespace dfs::cli
