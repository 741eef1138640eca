// What this machine can do at best, measured beside what ZDFS does. Prints one line of JSON.
//
//   dfs_limits direct DIRECTORY BYTES FILES   O_DIRECT writes of 1 MiB to preallocated files, fsync
//   dfs_limits copy DIRECTORY BYTES FILES     the same, each piece read from another file before
//   dfs_limits read DIRECTORY BYTES FILES     O_DIRECT reads of 1 MiB, of files written before
//   dfs_limits append DIRECTORY COUNT         4 KiB appends, each followed by fdatasync
//   dfs_limits zmq BYTES                      DEALER → ROUTER over loopback TCP, frames of 1 MiB
//   dfs_limits tcp BYTES                      one TCP connection over loopback, writes of 1 MiB
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>
#include <zmq.hpp>

namespace {

constexpr size_t kPiece = 1 << 20;
using Clock = std::chrono::steady_clock;

void require(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

struct FreeDeleter {
  void operator()(void* p) const { std::free(p); }
};
using Buffer = std::unique_ptr<char, FreeDeleter>;

Buffer aligned_piece() {
  Buffer buffer(static_cast<char*>(std::aligned_alloc(4096, kPiece)));
  std::memset(buffer.get(), 'x', kPiece);
  return buffer;
}

// Seconds that `measured` takes.
template <class F>
double seconds_of(F&& measured) {
  const auto started = Clock::now();
  measured();
  return std::chrono::duration<double>(Clock::now() - started).count();
}

// `from`: not empty, what is written comes from there.
void write_direct(const std::string& path, uint64_t bytes, const std::string& from = {}) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
  require(file >= 0, path.c_str());
  require(posix_fallocate(file, 0, static_cast<off_t>(bytes)) == 0, "fallocate");
  const int source = from.empty() ? -1 : open(from.c_str(), O_RDONLY | O_DIRECT);
  require(from.empty() || source >= 0, from.c_str());
  const Buffer buffer = aligned_piece();
  for (uint64_t offset = 0; offset < bytes; offset += kPiece) {
    if (source >= 0) {
      const ssize_t got = pread(source, buffer.get(), kPiece, static_cast<off_t>(offset));
      require(got == static_cast<ssize_t>(kPiece), "pread");
    }
    const ssize_t done = pwrite(file, buffer.get(), kPiece, static_cast<off_t>(offset));
    require(done == static_cast<ssize_t>(kPiece), "pwrite");
  }
  require(fsync(file) == 0, "fsync");
  close(file);
  if (source >= 0) close(source);
}

// Writes all files at once. `copied`: what is in them comes from files that were written before.
double direct(const std::string& directory, uint64_t bytes, int files, bool copied) {
  const uint64_t each = bytes / static_cast<uint64_t>(files) / kPiece * kPiece;
  const auto path_of = [&](int i) { return directory + "/limit." + std::to_string(i); };
  const auto source_of = [&](int i) { return copied ? path_of(files + i) : std::string(); };
  const auto for_all = [&](const std::function<void(int)>& write) {
    std::vector<std::jthread> writers;
    for (int i = 0; i < files; ++i) writers.emplace_back([&, i] { write(i); });
  };
  if (copied) for_all([&](int i) { write_direct(source_of(i), each); });
  const double seconds =
      seconds_of([&] { for_all([&](int i) { write_direct(path_of(i), each, source_of(i)); }); });
  for (int i = 0; i < files * (copied ? 2 : 1); ++i) unlink(path_of(i).c_str());
  return seconds;
}

void read_direct(const std::string& path, uint64_t bytes) {
  const int file = open(path.c_str(), O_RDONLY | O_DIRECT);
  require(file >= 0, path.c_str());
  const Buffer buffer = aligned_piece();
  for (uint64_t offset = 0; offset < bytes; offset += kPiece) {
    const ssize_t got = pread(file, buffer.get(), kPiece, static_cast<off_t>(offset));
    require(got == static_cast<ssize_t>(kPiece), "pread");
  }
  close(file);
}

double read_back(const std::string& directory, uint64_t bytes, int files) {
  const uint64_t each = bytes / static_cast<uint64_t>(files) / kPiece * kPiece;
  const auto path_of = [&](int i) { return directory + "/limit." + std::to_string(i); };
  for (int i = 0; i < files; ++i) write_direct(path_of(i), each);
  const double seconds = seconds_of([&] {
    std::vector<std::jthread> readers;
    for (int i = 0; i < files; ++i) {
      readers.emplace_back([&, i] { read_direct(path_of(i), each); });
    }
  });
  for (int i = 0; i < files; ++i) unlink(path_of(i).c_str());
  return seconds;
}

double append(const std::string& directory, uint64_t count) {
  const std::string path = directory + "/limit.append";
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
  require(file >= 0, path.c_str());
  const std::string entry(4096, 'x');
  const double seconds = seconds_of([&] {
    for (uint64_t i = 0; i < count; ++i) {
      require(write(file, entry.data(), entry.size()) == 4096, "write");
      require(fdatasync(file) == 0, "fdatasync");
    }
  });
  close(file);
  unlink(path.c_str());
  return seconds;
}

double zmq_stream(uint64_t bytes) {
  zmq::context_t context(2);
  zmq::socket_t router(context, zmq::socket_type::router);
  router.set(zmq::sockopt::rcvhwm, 64);
  router.bind("tcp://127.0.0.1:*");
  const std::string endpoint = router.get(zmq::sockopt::last_endpoint);
  const uint64_t count = bytes / kPiece;
  std::jthread sender([&] {
    zmq::socket_t dealer(context, zmq::socket_type::dealer);
    dealer.set(zmq::sockopt::sndhwm, 64);
    dealer.connect(endpoint);
    const Buffer buffer = aligned_piece();
    for (uint64_t i = 0; i < count; ++i) {
      // Not copied, as the parts of a block are not.
      zmq::message_t frame(buffer.get(), kPiece, nullptr, nullptr);
      (void)dealer.send(frame, zmq::send_flags::none);
    }
    zmq::message_t end;
    (void)dealer.recv(end);
  });
  zmq::message_t id, frame;
  const auto receive = [&] {
    (void)router.recv(id);
    (void)router.recv(frame);
  };
  receive();  // the connection stands
  const double seconds = seconds_of([&] {
    for (uint64_t i = 1; i < count; ++i) receive();
  });
  (void)router.send(id, zmq::send_flags::sndmore);
  (void)router.send(zmq::message_t(), zmq::send_flags::none);
  return seconds * static_cast<double>(count) / static_cast<double>(count - 1);
}

double tcp_stream(uint64_t bytes) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  require(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
  require(listen(listener, 1) == 0, "listen");
  socklen_t length = sizeof address;
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  std::jthread sender([&] {
    const int out = socket(AF_INET, SOCK_STREAM, 0);
    require(connect(out, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
    const Buffer buffer = aligned_piece();
    uint64_t left = bytes;
    while (left > 0) {
      const ssize_t done = write(out, buffer.get(), std::min<uint64_t>(left, kPiece));
      require(done > 0, "write");
      left -= static_cast<uint64_t>(done);
    }
    close(out);
  });
  const int in = accept(listener, nullptr, nullptr);
  require(in >= 0, "accept");
  const Buffer buffer = aligned_piece();
  const double seconds = seconds_of([&] {
    while (read(in, buffer.get(), kPiece) > 0) {
    }
  });
  close(in);
  close(listener);
  return seconds;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const auto number = [&](int i) { return std::stoull(argv[i]); };
  double seconds = 0;
  uint64_t amount = 0;  // bytes, or entries
  if ((what == "direct" || what == "copy") && argc == 5) {
    amount = number(3);
    seconds = direct(argv[2], amount, std::stoi(argv[4]), what == "copy");
  } else if (what == "read" && argc == 5) {
    amount = number(3);
    seconds = read_back(argv[2], amount, std::stoi(argv[4]));
  } else if (what == "append" && argc == 4) {
    amount = number(3);
    seconds = append(argv[2], amount);
  } else if (what == "zmq" && argc == 3) {
    amount = number(2);
    seconds = zmq_stream(amount);
  } else if (what == "tcp" && argc == 3) {
    amount = number(2);
    seconds = tcp_stream(amount);
  } else {
    std::fprintf(
        stderr,
        "usage: dfs_limits direct|copy|read DIRECTORY BYTES FILES | append DIRECTORY COUNT "
        "| zmq BYTES | tcp BYTES\n");
    return 2;
  }
  std::printf("{\"limit\":\"%s\",\"amount\":%llu,\"seconds\":%.6f,\"per_second\":%.1f}\n",
              what.c_str(), static_cast<unsigned long long>(amount), seconds,
              static_cast<double>(amount) / seconds);
  return 0;
}
