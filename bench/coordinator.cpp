// Load on a ZooKeeper server by the raw client of raw_zookeeper.h.
//
//   bench_coordinator load  port=N pid=N op=create|set|get clients=N inflight=N seconds=N [size=N]
//   bench_coordinator fill  port=N count=N [size=N]          nodes of a tree with 1,000 children each
//   bench_coordinator sync  file=PATH bytes=N seconds=N      appends of so many bytes, each with an fdatasync, to a new file
//   bench_coordinator watch port=N pid=N sessions=N rounds=N seconds=N
//                                                            sessions, idle for a while, then all told of a change
//
// Prints `name=value` pairs. Exits with 1 and a line on stderr when anything is not as it should be.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "raw_zookeeper.h"

namespace {

using namespace bench;
using Body = std::function<void(std::string&)>;

std::map<std::string, std::string> g_options;

long option(const std::string& name, long otherwise = -1) {
  auto found = g_options.find(name);
  if (found == g_options.end() && otherwise < 0) fail("no " + name + "=");
  return found == g_options.end() ? otherwise : std::stol(found->second);
}

/// CPU time of the server in microseconds.
double server_cpu_us() {
  long pid = option("pid", 0);
  if (pid == 0) return 0;
  std::FILE* file = std::fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "r");
  if (file == nullptr) fail("no process of the server");
  char text[2048] = {};
  std::size_t size = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  const char* rest = std::strrchr(text, ')');
  if (size == 0 || rest == nullptr) fail("/proc/<pid>/stat");
  unsigned long user = 0, system = 0;
  if (std::sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2) fail("stat");
  return static_cast<double>(user + system) * 1e6 / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// How often the server has synced its log.
double log_syncs() {
  const std::string text = "\n" + ask(static_cast<int>(option("port")), "mntr"), name = "\nzk_cnt_fsynctime\t";
  auto found = text.find(name);
  if (found == std::string::npos) fail("mntr without zk_cnt_fsynctime");
  return std::stod(text.substr(found + name.size()));
}

void print(const char* name, double value) { std::printf("%s=%.3f ", name, value); }

double percentile(std::vector<std::uint32_t>& values, double share) {
  if (values.empty()) return 0;
  auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

Body create_body(const std::string& path, const std::string& data) {
  return [&path, &data](std::string& out) {
    put_text(out, path);
    put_text(out, data);
    put<std::int32_t>(out, 1);
    put<std::int32_t>(out, 31);
    put_text(out, "world");
    put_text(out, "anyone");
    put<std::int32_t>(out, 0);
  };
}

void queue_create(Session& session, const std::string& path, const std::string& data) {
  session.request(kCreate, create_body(path, data));
}

void queue_delete(Session& session, const std::string& path) {
  session.request(kDelete, [&](std::string& out) {
    put_text(out, path);
    put<std::int32_t>(out, -1);
  });
}

void queue_read(Session& session, std::int32_t type, const std::string& path, bool watch) {
  session.request(type, [&](std::string& out) {
    put_text(out, path);
    out.push_back(watch ? '\1' : '\0');
  });
}

void queue_set(Session& session, const std::string& path, const std::string& data) {
  session.request(kSetData, [&](std::string& out) {
    put_text(out, path);
    put_text(out, data);
    put<std::int32_t>(out, -1);
  });
}

/// One kind of request, as many as go in some seconds.
class Load {
 public:
  Load()
      : client_(static_cast<int>(option("port")), static_cast<std::size_t>(option("clients"))),
        in_flight_(static_cast<std::size_t>(option("inflight"))),
        data_(static_cast<std::size_t>(option("size", 100)), 'd'),
        made_(client_.size(), 0) {}

  void run() {
    const std::string op = g_options["op"];
    prepare(op);
    std::vector<std::uint32_t> latencies_us;
    latencies_us.reserve(1 << 22);
    double syncs_before = log_syncs(), cpu_before = server_cpu_us();
    std::uint64_t start = now_ns(), end = start + static_cast<std::uint64_t>(option("seconds")) * 1'000'000'000;
    bool feeding = true;
    std::size_t running = 0;
    auto feed = [&](std::size_t index) {
      for (; feeding && client_[index].in_flight() < in_flight_; ++running) queue(op, index);
    };
    for (std::size_t i = 0; i < client_.size(); ++i) feed(i), client_[i].write();
    while (running > 0) {
      feeding = now_ns() < end;
      client_.poll(
          10,
          [&](std::uint64_t latency_ns) {
            --running;
            latencies_us.push_back(static_cast<std::uint32_t>(latency_ns / 1000));
          },
          [](std::size_t) {}, feed);
    }
    double seconds = static_cast<double>(now_ns() - start) / 1e9, cpu = server_cpu_us() - cpu_before;
    double count = static_cast<double>(latencies_us.size());
    print("ops", count);
    print("syncs", log_syncs() - syncs_before);
    print("ops_per_s", count / seconds);
    print("cpu_us_per_op", cpu / count);
    print("p50_us", percentile(latencies_us, 0.5));
    print("p99_us", percentile(latencies_us, 0.99));
    clean(op);
  }

 private:
  std::string path(std::size_t index, std::size_t number) const {
    return "/load/" + std::to_string(index) + "-" + std::to_string(number);
  }

  void prepare(const std::string& op) {
    if (op != "create" && op != "set" && op != "get") fail("op is create, set or get");
    client_.all(1, 1, [&](Session& session, std::size_t) { queue_create(session, "/load", ""); });
    nodes_ = op == "create" ? 0 : op == "set" ? client_.size() : 1000;
    client_.all(nodes_, 16,
                [&](Session& session, std::size_t number) { queue_create(session, path(number, 0), data_); });
  }

  void queue(const std::string& op, std::size_t index) {
    std::size_t number = made_[index]++;
    if (op == "create") return queue_create(client_[index], path(index, number), data_);
    if (op == "set") return queue_set(client_[index], path(index, 0), data_);
    queue_read(client_[index], kGetData, path((index * 31 + number * 7919) % nodes_, 0), false);
  }

  void clean(const std::string& op) {
    client_.all(nodes_, 16, [&](Session& session, std::size_t number) { queue_delete(session, path(number, 0)); });
    if (op == "create") {
      std::vector<std::string> paths;
      for (std::size_t i = 0; i < made_.size(); ++i) {
        for (std::size_t number = 0; number < made_[i]; ++number) paths.push_back(path(i, number));
      }
      client_.all(paths.size(), 64,
                  [&](Session& session, std::size_t number) { queue_delete(session, paths[number]); });
    }
    client_.all(1, 1, [&](Session& session, std::size_t) { queue_delete(session, "/load"); });
  }

  Client client_;
  std::size_t in_flight_;
  std::string data_;
  std::vector<std::size_t> made_;
  std::size_t nodes_ = 0;
};

void fill() {
  constexpr std::size_t kFolder = 1000;
  Client client(static_cast<int>(option("port")), 16);
  auto count = static_cast<std::size_t>(option("count"));
  std::string data(static_cast<std::size_t>(option("size", 100)), 'd');
  std::uint64_t start = now_ns();
  client.all(1, 1, [&](Session& session, std::size_t) { queue_create(session, "/fill", ""); });
  auto folder = [](std::size_t number) { return "/fill/" + std::to_string(number / kFolder); };
  client.all((count + kFolder - 1) / kFolder, 64,
             [&](Session& session, std::size_t number) { queue_create(session, folder(number * kFolder), ""); });
  client.all(count, 64, [&](Session& session, std::size_t number) {
    queue_create(session, folder(number) + "/node-" + std::to_string(number), data);
  });
  print("fill_s", static_cast<double>(now_ns() - start) / 1e9);
}

/// What the disk allows a log: a preallocated file, one append and one fdatasync after the other.
void sync_loop() {
  constexpr off_t kPreallocate = 64 << 20;
  const std::string& path = g_options["file"];
  int file = ::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
  if (file < 0) fail("cannot make " + path);
  std::string bytes(static_cast<std::size_t>(option("bytes")), 'd');
  off_t position = 0, allocated = 0;
  std::uint64_t start = now_ns(), end = start + static_cast<std::uint64_t>(option("seconds")) * 1'000'000'000;
  double count = 0;
  for (; now_ns() < end; ++count) {
    while (position + static_cast<off_t>(bytes.size()) > allocated) {
      if (::posix_fallocate(file, allocated, kPreallocate) != 0) fail("the disk is full");
      allocated += kPreallocate;
    }
    if (::pwrite(file, bytes.data(), bytes.size(), position) != static_cast<ssize_t>(bytes.size())) fail("pwrite");
    if (::fdatasync(file) != 0) fail("fdatasync");
    position += static_cast<off_t>(bytes.size());
  }
  print("syncs_per_s", count / (static_cast<double>(now_ns() - start) / 1e9));
  ::close(file);
  ::unlink(path.c_str());
}

/// Pings on all sessions while nothing else happens.
void stay_idle(Client& client, double seconds) {
  std::uint64_t end = now_ns() + static_cast<std::uint64_t>(seconds * 1e9);
  double cpu_before = server_cpu_us();
  std::uint64_t each_ns = 1'000'000'000ull * kSessionTimeoutMs / 1000 / 3 / client.size();
  std::size_t next = 0, pings = 0;
  std::uint64_t due = now_ns();
  while (now_ns() < end) {
    for (; due <= now_ns(); due += each_ns, ++pings) {
      Session& session = client[next++ % client.size()];
      session.request(kPing, [](std::string&) {});
      session.write();
    }
    client.poll(
        1, [](std::uint64_t) {}, [](std::size_t) {}, [](std::size_t) {});
  }
  print("idle_cpu_percent", (server_cpu_us() - cpu_before) / (seconds * 1e6) * 100);
  print("pings_per_s", static_cast<double>(pings) / seconds);
}

void watch() {
  std::uint64_t start = now_ns();
  Client client(static_cast<int>(option("port")), static_cast<std::size_t>(option("sessions")));
  double seconds = static_cast<double>(now_ns() - start) / 1e9;
  print("sessions_per_s", static_cast<double>(client.size()) / seconds);
  stay_idle(client, static_cast<double>(option("seconds")));
  // Tells the caller to look at the server's memory, and waits for a line.
  std::printf("\n");
  std::fflush(stdout);
  if (std::getchar() == EOF) fail("nobody is there");
  client.all(1, 1, [](Session& session, std::size_t) { queue_create(session, "/watched", ""); });
  std::vector<std::uint32_t> all_us, one_us;
  double cpu_us = 0;
  Client writer(static_cast<int>(option("port")), 1);
  for (long round = 0; round < option("rounds"); ++round) {
    std::size_t answers = 0, told = 0;
    for (std::size_t i = 0; i < client.size(); ++i) {
      queue_read(client[i], kExists, "/watched", true);
      client[i].write();
    }
    while (answers < client.size()) {
      client.poll(
          10, [&](std::uint64_t) { ++answers; }, [](std::size_t) {}, [](std::size_t) {});
    }
    double cpu_before = server_cpu_us();
    std::uint64_t changed = now_ns();
    queue_set(writer[0], "/watched", "x");
    writer[0].write();
    auto on_event = [&](std::size_t) {
      ++told;
      one_us.push_back(static_cast<std::uint32_t>((now_ns() - changed) / 1000));
    };
    while (told < client.size())
      client.poll(
          10, [](std::uint64_t) {}, on_event, [](std::size_t) {});
    all_us.push_back(static_cast<std::uint32_t>((now_ns() - changed) / 1000));
    while (writer[0].in_flight() > 0)
      writer.poll(
          10, [](std::uint64_t) {}, [](std::size_t) {}, [](std::size_t) {});
    cpu_us += server_cpu_us() - cpu_before;
  }
  print("told_p50_us", percentile(one_us, 0.5));
  print("told_all_us", percentile(all_us, 0.5));
  print("cpu_us_per_watcher", cpu_us / static_cast<double>(one_us.size()));
  client.all(1, 1, [](Session& session, std::size_t) { queue_delete(session, "/watched"); });
}

}  // namespace

int main(int argc, char** argv) {
  try {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
      files.rlim_cur = files.rlim_max;
      ::setrlimit(RLIMIT_NOFILE, &files);
    }
    const std::string mode = argc > 1 ? argv[1] : "";
    for (int i = 2; i < argc; ++i) {
      std::string argument = argv[i];
      auto equals = argument.find('=');
      if (equals == std::string::npos) fail("not name=value: " + argument);
      g_options[argument.substr(0, equals)] = argument.substr(equals + 1);
    }
    if (mode == "load") {
      Load().run();
    } else if (mode == "fill") {
      fill();
    } else if (mode == "sync") {
      sync_loop();
    } else if (mode == "watch") {
      watch();
    } else {
      fail("usage: bench_coordinator load|fill|sync|watch name=value…");
    }
    std::printf("\n");
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_coordinator: %s\n", error.what());
    return 1;
  }
}
