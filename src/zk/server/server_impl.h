// Inside of Server: the loop around the coordinator. Private to server*.cpp.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <thread>
#include <unordered_map>

#include "zk/server/commit_delay.h"
#include "zk/server/connection.h"
#include "zk/server/data_dir.h"
#include "zk/server/listener.h"
#include "zk/server/loop_threads.h"
#include "zk/server/server.h"
#include "zk/server/snapshot_thread.h"
#include "zk/server/tls_handshakes.h"
#include "zk/server/txn_log.h"

namespace zk::server {

class Server::Impl {
 public:
  Impl(ZooKeeperServerConfig config, base::FileSystem& files);
  ~Impl();

  void start();
  void stop();
  void run(std::function<void(Coordinator&)> work);
  void audit(const char* operation, const char* result) const;

  void take_snapshot(std::function<void(const SnapshotResult&)> done);
  void restore(const std::string& path, std::int64_t zxid, std::function<void(const RestoreResult&)> done);
  base::FileSystem& files() { return files_; }

  OnFailure on_failure;
  std::uint16_t port = 0;
  std::uint16_t secure_port = 0;

 private:
  // server.cpp
  void prepare_directories();
  void load();
  void run_tick();
  void wait_for_tick(bool after_late);
  void after_work();
  void pump();
  void wait_for_more();
  void write_log(LogBatch batch);
  struct Written {
    Synced synced;
    std::string failure;  // empty if all is durable
    CommitDelay::Duration took{};
  };
  void on_written(Written written);
  void fail(const std::string& reason, ExitCode code);
  void shut_down();

  // server_listen.cpp
  void prepare_tls();
  void reload_tls();
  void listen();
  // `detect`: TLS only if the client begins with it.
  using Endpoint = boost::asio::ip::tcp::endpoint;
  void on_socket(boost::asio::ip::tcp::socket socket, const Endpoint& from, bool tls, bool detect);
  void on_connection(boost::asio::ip::tcp::socket socket, const Endpoint& from, std::unique_ptr<base::tls::Engine> tls,
                     base::ByteView input);
  bool take_slot(const std::string& address);
  void free_slot(const std::string& address);
  void on_listen_tick();
  void close_listeners();

  // server_snapshot.cpp
  void write_whole_snapshot();
  void maybe_start_snapshot();
  void start_snapshot();
  void continue_snapshot();
  void on_snapshot_done(const std::string& failure);
  void draw_snapshot_limit();
  void purge_when_due();

  // server_restore.cpp
  void maybe_take_asked_snapshot();
  void finish_asked_snapshots(const std::string& failure);
  void maybe_restore();
  std::int64_t replace_state(const std::string& path, std::int64_t zxid);

  ZooKeeperServerConfig config_;
  base::FileSystem& files_;
  base::SystemClock clock_;
  DataDir data_dir_;
  std::vector<TornLog> torn_;  // as the load found them
  std::vector<std::string> replayed_logs_;
  std::unique_ptr<base::File> lock_;
  std::unique_ptr<base::File> log_lock_;
  boost::asio::io_context io_;
  Coordinator coordinator_;
  ReadySockets sockets_;
  ConnectionShared shared_;
  boost::asio::steady_timer tick_timer_;
  boost::asio::steady_timer snapshot_timer_;
  std::unordered_map<tree::WatcherId, std::shared_ptr<Connection>> connections_;
  std::unordered_map<std::string, std::size_t> per_address_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Listener> secure_listener_;
  std::unique_ptr<TlsHandshakes> handshakes_;
  std::string tls_stamp_;  // of the files that its context was made from
  std::unique_ptr<TxnLogWriter> log_;  // whoever is in write_log() has it
  CommitDelay commit_delay_;
  bool pump_posted_ = false;
  bool is_log_busy_ = false;
  bool stopping_ = false;
  bool failed_ = false;

  std::unique_ptr<SnapshotThread> snapshot_thread_;
  base::Bytes snapshot_piece_;
  std::int64_t snapshot_zxid_ = 0;
  std::string snapshot_path_;
  std::int64_t snapshot_started_ms_ = 0;
  std::int64_t next_purge_ms_ = INT64_MIN;
  std::thread purge_thread_;  // while there is something to take away
  std::optional<std::uint64_t> snapshot_digest_;
  std::uint64_t txns_since_snapshot_ = 0;
  std::uint64_t bytes_since_snapshot_ = 0;
  std::uint64_t snapshot_limit_ = 0;        // more transactions than these are a reason for a snapshot,
  std::uint64_t snapshot_bytes_limit_ = 0;  // or more bytes of them
  bool snapshot_is_asked_ = false;  // the one being written is
  std::vector<std::function<void(const SnapshotResult&)>> snapshot_waiters_, snapshot_askers_;

  struct Restore {
    std::string path;
    std::int64_t zxid = 0;
    std::function<void(const RestoreResult&)> done;
  };
  std::optional<Restore> restore_;  // waits until nothing is on its way
  std::minstd_rand random_;

  LoopThreads threads_;
};

}  // namespace zk::server
