#include "cli/tree_copy.h"

#include <algorithm>
#include <thread>

namespace dfs::cli {

namespace {

constexpr size_t kPage = 1000;  // files that wait to be copied

struct Pair {
  std::string from;
  std::string to;
};

// The same content, so that a copy would only make another version.
bool has_content(const InodeInfo& there, const InodeInfo& wanted) {
  if (there.type != FileType::file || there.size != wanted.size) return false;
  if (wanted.object != 0 && there.object == wanted.object) return true;
  return there.crc32c_known && wanted.crc32c_known && there.crc32c == wanted.crc32c;
}

Result<bool> may_leave(Context& context, const TreeCopy& copy) {
  auto wanted = context.stat(copy.from, copy.at);
  if (!wanted) return wanted.error();
  auto there = context.stat(copy.to, Moment());
  if (there) return has_content(*there, *wanted);
  if (there.code() == Code::not_found) return false;
  return there.error();
}

void tell(Context& context, const TreeCopy& copy, const CopyFileReply* reply) {
  if (context.json()) {
    JsonLine line;
    line.add("command", context.command).add("path", copy.from).add("to", copy.to);
    if (reply == nullptr) return context.print(line.add("dry_run", true).str());
    line.add("bytes", reply->size).add("version", reply->version).add("created", reply->created);
    return context.print(line.raw("receipt", to_json(reply->receipt)).str());
  }
  if (reply != nullptr) return;
  context.print("would copy " + context.shown(copy.from) +
                (copy.from == copy.to ? "" : " to " + context.shown(copy.to)));
}

void copy_page(Context& context, const TreeCopy& copy, std::vector<Pair>& page,
               CopyCounts& counts) {
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < page.size() && !context.interrupted(); i = next++) {
      TreeCopy one = copy;
      one.from = std::move(page[i].from);
      one.to = std::move(page[i].to);
      copy_one(context, one, counts);
    }
  };
  {
    std::vector<std::jthread> threads;
    const size_t workers = std::min<size_t>(std::max(1u, context.options.jobs), page.size());
    for (size_t i = 1; i < workers; ++i) threads.emplace_back(work);
    work();
  }
  page.clear();
}

Result<void> make_directory(Context& context, const TreeCopy& copy, const std::string& path) {
  if (copy.dry_run) return {};
  auto made = context.session().make_dir(path, true);
  if (!made) return made.error();
  return {};
}

}  // namespace

void copy_one(Context& context, const TreeCopy& copy, CopyCounts& counts) {
  const auto failed = [&](const Error& error) {
    ++counts.failed;
    context.fail(copy.from, error);
  };
  if (copy.keep_same) {
    const auto same = may_leave(context, copy);
    if (!same) return failed(same.error());
    if (*same) return (void)++counts.same;
  }
  if (copy.dry_run) {
    ++counts.files;
    return tell(context, copy, nullptr);
  }
  auto copied = context.session().run<CopyFileReply>([&](Client& client) {
    CopyFile request;
    request.from = copy.from;
    request.to = copy.to;
    request.at = copy.at;
    return client.copy(std::move(request), copy.lock);
  });
  if (!copied) return failed(copied.error());
  ++counts.files;
  counts.bytes += copied->size;
  if (context.json()) tell(context, copy, &*copied);
}

void copy_below(Context& context, const TreeCopy& copy, CopyCounts& counts) {
  std::vector<Pair> directories = {{copy.from, copy.to}};
  std::vector<Pair> page;
  while (!directories.empty() && !context.interrupted()) {
    const Pair at = std::move(directories.back());
    directories.pop_back();
    Result<void> done = make_directory(context, copy, at.to);
    if (done) {
      done = for_each_entry_at(context, copy.at, at.from, [&](const ListEntry& entry) {
        Pair pair{join_path(at.from, entry.name), join_path(at.to, entry.name)};
        // A copy of a directory into itself has no end.
        if (copy.at.is_now() && pair.from == copy.to) return true;
        const bool directory = entry.info.type == FileType::directory;
        (directory ? directories : page).push_back(std::move(pair));
        if (page.size() == kPage) copy_page(context, copy, page, counts);
        return !context.interrupted();
      });
    }
    copy_page(context, copy, page, counts);
    if (done) continue;
    ++counts.failed;
    context.fail(at.from, done.error());
  }
}

std::string counts_text(const CopyCounts& counts) {
  std::string text = counted(counts.files, "file") + ", " + human_bytes(counts.bytes);
  if (counts.same != 0) text += ", " + counted(counts.same, "file") + " had the content already";
  if (counts.failed != 0) text += ", " + std::to_string(counts.failed) + " failed";
  return text;
}

}  // namespace dfs::cli
