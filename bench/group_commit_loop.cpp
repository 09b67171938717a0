// What writes to a coordinator cost on this machine without a coordinator's work: requests of ZooKeeper's protocol are collected, a record of
// fixed size for each is written to a file, all of a group at once, one fdatasync follows, and they are answered. No tree, no checks, no checksums.
//   group_commit_loop PORT FILE RECORD_BYTES GROUPS
// GROUPS says what a group is: `arrived` is what came while the last one was synced; `whole` waits a moment for as many as were under way
// then, since clients that wait for their answers write again as soon as they have them. Which is faster depends on the clients.
// It answers what bench_coordinator's loads of writes send, and mntr with the number of its syncs. The file is 64 MiB of blocks that were written before, the
// cheapest to sync, and is written again from its begin once it is full, past the page cache where the file system can.
// One thread. It prints "listening", and ends by a signal.
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <unordered_map>
#include <utility>

#include "raw_zookeeper.h"

namespace bench {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr off_t kFileBytes = 64 << 20;
constexpr std::size_t kGroupBytesMax = 4 << 20;
constexpr std::int32_t kPasswordBytes = 16;
constexpr std::size_t kStatBytes = 68;
// A part of what a sync takes.
constexpr std::uint64_t kWaitMaxNs = 100'000;

int checked(long result, const char* what) {
  if (result < 0) fail(std::string(what) + ": " + std::strerror(errno));
  return static_cast<int>(result);
}

/// The file of records.
class RecordFile {
 public:
  RecordFile(const char* path, std::size_t record_bytes) : record_bytes_(record_bytes) {
    const int plain = checked(::open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600), path);
    const std::string zeros(kGroupBytesMax, '\0');
    for (off_t at = 0; at < kFileBytes; at += static_cast<off_t>(zeros.size())) checked(::pwrite(plain, zeros.data(), zeros.size(), at), "pwrite");
    checked(::fsync(plain), "fsync");
    const int direct = ::open(path, O_WRONLY | O_CLOEXEC | O_DIRECT);
    file_ = direct >= 0 ? direct : plain;
  }
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;

  bool is_full() const { return used_ + record_bytes_ > kGroupBytesMax; }

  /// A record of the group that is being collected: the request, and as many bytes more as it needs.
  void add(const char* request, std::size_t size) {
    const std::size_t copied = std::min(size, record_bytes_);
    std::memcpy(memory_ + used_, request, copied);
    std::memset(memory_ + used_ + copied, 'r', record_bytes_ - copied);
    used_ += record_bytes_;
  }

  /// Writes and syncs the group. Its last block is begun, and written again with the next group.
  void commit() {
    const std::size_t end = (used_ + kBlock - 1) / kBlock * kBlock;
    std::memset(memory_ + used_, 0, end - used_);
    if (position_ + static_cast<off_t>(end) > kFileBytes) position_ = 0;
    if (checked(::pwrite(file_, memory_, end, position_), "pwrite") != static_cast<int>(end)) fail("a short write");
    checked(::fdatasync(file_), "fdatasync");
    const std::size_t whole = used_ / kBlock * kBlock;
    std::memcpy(memory_, memory_ + whole, used_ - whole);
    position_ += static_cast<off_t>(whole);
    used_ -= whole;
  }

 private:
  std::size_t record_bytes_;
  char* memory_ = static_cast<char*>(std::aligned_alloc(kBlock, kGroupBytesMax + kBlock));
  int file_ = -1;
  off_t position_ = 0;
  std::size_t used_ = 0;  // of memory_, with what the block at position_ had before
};

/// A connection: what came and isn't a whole frame yet, and the answers that leave with the group.
struct Connection {
  std::string in, out;
  bool open = false;
  bool waits = false;  // for the group
};

class Loop {
 public:
  Loop(const char* port, RecordFile& file, bool whole) : file_(file), whole_(whole), events_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
    listener_ = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
    checked(::listen(listener_, SOMAXCONN), "listen");
    watch(listener_);
  }

  [[noreturn]] void run() {
    for (;;) {
      receive(-1);
      while (count_ > 0) {
        wait_for_more();
        commit();
        receive(0);
      }
    }
  }

 private:
  void watch(int socket) const {
    epoll_event event{.events = EPOLLIN, .data = {.fd = socket}};
    checked(::epoll_ctl(events_, EPOLL_CTL_ADD, socket, &event), "epoll_ctl");
  }

  void receive(int timeout_ms) {
    std::array<epoll_event, 256> ready{};
    const int count = ::epoll_wait(events_, ready.data(), static_cast<int>(ready.size()), timeout_ms);
    for (const epoll_event& event : std::span(ready).first(static_cast<std::size_t>(std::max(count, 0)))) {
      if (event.data.fd == listener_) {
        take(checked(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC), "accept"));
      } else if (!serve(event.data.fd)) {
        connections_.erase(event.data.fd);
        ::close(event.data.fd);
      }
    }
  }

  void take(int socket) {
    const int on = 1;
    checked(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
    connections_.try_emplace(socket);
    watch(socket);
  }

  /// False: the client is gone.
  bool serve(int socket) {
    const ssize_t count = ::recv(socket, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return true;
    if (count <= 0) return false;
    Connection& connection = connections_.at(socket);
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(count));
    if (!connection.in.empty()) bytes = connection.in.append(bytes);
    if (!connection.open && bytes == "mntr") {
      send_all(socket, "zk_cnt_fsynctime\t" + std::to_string(syncs_) + "\n");
      return false;
    }
    while (bytes.size() >= 4) {
      const std::size_t size = 4 + static_cast<std::size_t>(take_int(bytes.data()));
      if (bytes.size() < size) break;
      on_frame(socket, connection, bytes.substr(4, size - 4));
      bytes.remove_prefix(size);
    }
    connection.in = std::string(bytes);
    return true;
  }

  static std::int32_t take_int(const char* data) { return bench::take<std::int32_t>(data); }

  void on_frame(int socket, Connection& connection, std::string_view frame) {
    if (!connection.open) {
      connection.open = true;
      std::string answer;
      put<std::int32_t>(answer, 4 + 4 + 8 + 4 + kPasswordBytes + 1);
      put<std::int32_t>(answer, 0);
      put<std::int32_t>(answer, kSessionTimeoutMs);
      put<std::int64_t>(answer, socket);
      put_text(answer, std::string(kPasswordBytes, 'p'));
      answer.push_back('\0');
      return send_all(socket, answer);
    }
    if (frame.size() < 8) fail("a short request");
    const std::int32_t xid = take_int(frame.data()), type = take_int(frame.data() + 4);
    if (type == kPing) {
      std::string answer;
      put_answer(answer, xid, {});
      return send_all(socket, answer);
    }
    std::string_view body;  // of a create its path, of a set a Stat
    if (type == kCreate) body = frame.substr(8, 4 + static_cast<std::size_t>(take_int(frame.data() + 8)));
    if (type == kSetData) body = std::string_view(kStat.data(), kStat.size());
    if (type != kCreate && type != kSetData && type != kDelete) fail("only creates, sets and deletes are answered here");
    file_.add(frame.data(), frame.size());
    put_answer(connection.out, xid, body);
    ++count_;
    if (!std::exchange(connection.waits, true)) waiting_.push_back(socket);
    if (file_.is_full()) commit();
  }

  void put_answer(std::string& out, std::int32_t xid, std::string_view body) {
    put<std::int32_t>(out, static_cast<std::int32_t>(kReplyHeaderBytes + body.size()));
    put<std::int32_t>(out, xid);
    put<std::int64_t>(out, ++zxid_);
    put<std::int32_t>(out, 0);
    out.append(body);
  }

  void wait_for_more() {
    if (!whole_) return;
    while (count_ < expected_ && now_ns() < wait_until_ns_) receive(0);
  }

  void commit() {
    const std::uint64_t started = now_ns();
    file_.commit();
    const std::uint64_t took = now_ns() - started;
    ++syncs_;
    expected_ = std::exchange(count_, 0);
    for (int socket : std::exchange(waiting_, {})) {
      auto entry = connections_.find(socket);
      if (entry == connections_.end()) continue;
      entry->second.waits = false;
      send_all(socket, entry->second.out);
      entry->second.out.clear();
    }
    wait_until_ns_ = now_ns() + std::min(kWaitMaxNs, took);
  }

  static void send_all(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0) return;  // it is gone, as the next look will show
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  static constexpr std::array<char, kStatBytes> kStat{};

  RecordFile& file_;
  const bool whole_;
  int events_;
  int listener_ = -1;
  std::unordered_map<int, Connection> connections_;
  std::vector<char> buffer_ = std::vector<char>(64 << 10);
  std::vector<int> waiting_;      // whose answers leave with the group
  std::size_t count_ = 0;         // requests of the group
  std::size_t expected_ = 0;      // of the one before
  std::uint64_t wait_until_ns_ = 0;
  std::int64_t zxid_ = 0;
  std::uint64_t syncs_ = 0;
};

}  // namespace
}  // namespace bench

int main(int count, char** values) {
  if (count != 5 || (std::strcmp(values[4], "arrived") != 0 && std::strcmp(values[4], "whole") != 0)) {
    std::fputs("usage: group_commit_loop PORT FILE RECORD_BYTES arrived|whole\n", stderr);
    return 2;
  }
  try {
    bench::RecordFile file(values[2], static_cast<std::size_t>(std::atoi(values[3])));
    bench::Loop loop(values[1], file, std::strcmp(values[4], "whole") == 0);
    std::puts("listening");
    std::fflush(stdout);
    loop.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "group_commit_loop: %s\n", error.what());
    return 1;
  }
}
