// How long a storage node takes to open an index of many blocks after kill -9.
//
//   dfs_index_open [--blocks N] [--dir DIR]
//
// A child process writes the rows of N blocks as the engine does, then kills itself; the segments
// are sparse files with nothing but their headers. The parent opens the index and recovers.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>

#include "actors/posix_disk.h"
#include "actors/rocks_table.h"
#include "actors/storage/recovery.h"
#include "actors/storage/segment_io.h"

namespace {

using namespace dfs;
using namespace dfs::storage;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kBlockBytes = 16 * 1024;
constexpr uint64_t kSegmentBytes = 1ull << 30;
constexpr uint32_t kGroups = 256;
constexpr uint64_t kBatchRows = 16;  // as many blocks as share one sync, about

template <class T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().text.c_str());
  std::exit(1);
}
void must(const Result<void>& result) {
  if (result) return;
  std::fprintf(stderr, "%s\n", result.error().text.c_str());
  std::exit(1);
}

std::unique_ptr<Table> open_index(const std::string& directory) {
  RocksTableSettings settings;
  settings.directory = directory + "/table";
  return must(open_rocks_table(settings));
}

void make_segment(Disk& disk, const std::string& directory, uint32_t number, uint64_t bytes) {
  auto file = must(disk.open(segment_path(directory, number), {.create = true}));
  AlignedBuffer header(kAlignment);
  seal_segment_header({"", number, number, 1}, header.data());
  must(file->write_at(0, header.data(), kAlignment));
  must(file->truncate(bytes));
}

void fill(const std::string& directory, uint64_t blocks) {
  const auto disk = make_posix_disk();
  must(disk->make_directories(segments_directory(directory)));
  const auto index = open_index(directory);
  must(check_index_format(*index));
  std::mt19937_64 random(1);
  uint32_t number = 1;
  uint64_t end = kAlignment;
  Batch batch;
  for (uint64_t i = 0; i < blocks; ++i) {
    BlockRow row;
    row.segment = number;
    row.offset = end;
    row.header = header_bytes(0);
    row.length = kBlockBytes;
    row.crc32c = static_cast<uint32_t>(random());
    row.epoch = 1;
    row.created_ms = 1;
    put_block(batch, {random(), 0, static_cast<GroupId>(random() % kGroups)}, row);
    end += row.bytes();
    const bool full = end + row.bytes() > kSegmentBytes;
    if (full || i % kBatchRows == 0 || i + 1 == blocks) {
      put_mark(batch, number, {number, end});
      must(index->write(batch));
      batch.clear();
    }
    if (!full && i + 1 < blocks) continue;
    make_segment(*disk, directory, number, end);
    ++number;
    end = kAlignment;
  }
  kill(getpid(), SIGKILL);
}

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t blocks = 1'000'000;
  std::string directory = "/tmp";
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    if (flag == "--blocks") blocks = std::stoull(argv[i + 1]);
    if (flag == "--dir") directory = argv[i + 1];
  }
  directory += "/dfs_index_open_" + std::to_string(getpid());
  const pid_t child = fork();
  if (child == 0) fill(directory, blocks);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFSIGNALED(status)) return 1;

  const auto disk = make_posix_disk();
  const auto begin = Clock::now();
  const auto index = open_index(directory);
  const double opened = since(begin);
  const Recovered recovered = must(recover(*disk, *index, directory, ""));
  const double whole = since(begin);
  std::printf("blocks %llu segments %llu bad %llu table_s %.3f recovery_s %.3f open_s %.3f\n",
              static_cast<unsigned long long>(recovered.report.blocks),
              static_cast<unsigned long long>(recovered.report.segments),
              static_cast<unsigned long long>(recovered.report.bad), opened, whole - opened, whole);
  std::filesystem::remove_all(directory);
  return recovered.report.blocks == blocks && recovered.report.bad == 0 ? 0 : 1;
}
