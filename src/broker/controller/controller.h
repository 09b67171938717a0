// The control side of a broker over ZooKeeper: registration, controller election, and what follows from them. Its
// executor must run on one thread, the control thread; the calls of Cluster may come from anywhere. The owner calls
// open(), prepares its logs, calls start() once it can serve, and close() at the end, and keeps the loop running until
// close() is done and the object is gone.
//
// After a lost session it opens another, registers again (with a new broker epoch) and stands for election again.
// If another broker is the controller this one registers, says clearly that it can't serve under it yet, and waits.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "broker/controller/control_context.h"
#include "broker/controller/job_queue.h"
#include "broker/controller/stored_configs.h"
#include "broker/controller/topic_manager.h"
#include "zk/client/session.h"

namespace broker::controller {

// How to get at ZooKeeper: the real way, or a fake.
struct ZooKeeperAccess {
  // Makes the chroot; false if there is no connection in time.
  std::function<base::Task<bool>()> prepare;
  std::function<std::unique_ptr<zk::client::ZooKeeper>(zk::client::SessionEvents)> open;
  std::function<std::string()> last_failure;  // why there is no connection, for a message; may be null
  std::int32_t connection_timeout_ms = 18000;  // zookeeper.connection.timeout.ms
  // A file in the (locked) data directory that keeps the id of the last session that this directory's broker was
  // registered by. After a crash it proves that a registration which is still there is a dead one of our own.
  std::string session_file;
  // How long to wait for a registration with our own endpoints to expire, and how often to look.
  std::int32_t registration_wait_ms = 27000;
  std::int32_t registration_poll_ms = 200;
  std::int32_t renewal_pause_ms = 1000;  // before another try to get a new session, or to read what was refused
};
ZooKeeperAccess zookeeper_access(boost::asio::any_io_executor executor, zk::client::SessionOptions options,
                                 std::int32_t connection_timeout_ms);

class Controller final : public Cluster {
 public:
  Controller(boost::asio::any_io_executor executor, ZooKeeperAccess access, base::Clock& clock,
             metadata::MetadataCache& cache, metadata::PartitionSink& sink, ControlHooks hooks);
  ~Controller() override;

  // Connects, makes the persistent paths, agrees on the cluster id (`expected`: from meta.properties), reads all
  // configs. Answers the cluster id. Throws StartError.
  base::Task<std::string> open(std::optional<std::string> expected);
  // For a broker without a configured id: one that no other broker got this way. Kafka's ids are
  // reserved.broker.max.id plus this. Between open() and start().
  base::Task<std::int32_t> next_broker_sequence();
  // Registers under `self` (id, endpoints, rack), stands for election, and as controller brings all partitions of
  // this broker up. Throws StartError: the id is taken, or no connection.
  base::Task<void> start(metadata::Broker self);
  // Registers this broker under other endpoints, in the session that there is and in those that follow. From any thread.
  void change_endpoints(std::vector<metadata::Endpoint> endpoints);
  // Tells the controller, whoever it is, that a log directory of this broker failed. From any thread.
  void log_directory_failed();
  // From now on no request waits for what it did to be seen: those that do are answered with NOT_CONTROLLER, and whoever would
  // begin to is. For a stop, before it waits for the requests that clients have in flight. From any thread.
  void let_nobody_wait();
  // Ends the session, so that others see at once that this broker is gone. Requests fail from now on.
  base::Task<void> close();

  base::Task<std::vector<TopicCreated>> create_topics(std::vector<NewTopic> topics, bool validate_only,
                                                      std::int32_t timeout_ms) override;
  base::Task<std::vector<Outcome>> delete_topics(std::vector<std::string> topics, std::int32_t timeout_ms) override;
  base::Task<std::vector<Outcome>> create_partitions(std::vector<NewPartitions> topics, bool validate_only,
                                                     std::int32_t timeout_ms) override;
  base::Task<Outcome> ensure_internal_topic(std::string name) override;
  base::Task<Outcome> auto_create_topic(std::string name) override;
  base::Task<Outcome> change_config(ConfigEntityType type, std::string name, ConfigEdit edit) override;
  base::Task<protocol::Result<ProducerIdBlock>> allocate_producer_ids() override;
  base::Task<protocol::Result<ProducerIdBlock>> allocate_producer_ids_for(std::int32_t broker_id, std::int64_t broker_epoch) override;
  base::Task<std::map<TopicPartition, Outcome>> elect_leaders(std::vector<TopicPartition> partitions,
                                                              bool unclean, std::int32_t timeout_ms) override;
  StringMap config_overrides(ConfigEntityType type, std::string_view name) const override;
  std::vector<std::string> configured_entities(ConfigEntityType type) const override;
  std::int64_t broker_epoch() const override { return broker_epoch_; }
  // How often the session with ZooKeeper came into this state since the start. From any thread.
  std::uint64_t session_count(zk::client::SessionState state) const { return session_counts_[static_cast<std::size_t>(state)]; }

 private:
  base::Task<void> connect();
  base::Task<void> end_session();
  base::Task<std::string> agree_on_cluster_id(std::optional<std::string> expected);
  base::Task<void> create_persistent_paths();
  base::Task<std::string> register_broker();  // why not; empty: done
  void registered(std::int64_t broker_epoch);
  base::Task<bool> clear_way(zk::client::Response present, std::int64_t waiting_since_ms);
  base::Task<void> take_over(std::int64_t stale_session);
  std::int64_t last_session() const;
  void remember_session();
  base::Task<void> elect();
  base::Task<bool> stand_for_election();
  base::Task<void> become_controller();
  void follow(std::int32_t other);
  void step_down();

  void on_watch(const zk::client::WatchEvent& event);
  void on_state(zk::client::SessionState state);
  base::Task<void> handle_event(std::string path);
  base::Task<void> renew_session();
  base::Task<void> elect_in_new_session();
  static base::Task<void> pause(boost::asio::any_io_executor executor, std::int32_t duration_ms);
  void schedule(const std::string& path);
  void lose_control(const std::string& reason);
  // Marks with REQUEST_TIMED_OUT what has begun without an error and isn't to be seen by clients; whether there was any. On any thread.
  template <class T>
  using MarkUnseen = std::function<bool(T& answers, const metadata::ClusterMetadata& seen)>;
  // Runs a change under this broker as controller; `otherwise` if it isn't, or loses that on the way. Without a time it is answered
  // when the change is done, else when all of it is to be seen as well.
  template <class T>
  base::Task<T> as_controller(std::function<base::Task<T>(Begun<T>)> job, T otherwise, std::optional<std::int32_t> timeout_ms,
                              MarkUnseen<T> mark_unseen);
  template <class T>
  struct Asked;
  template <class T>
  base::Task<std::optional<T>> run_until_seen(std::function<base::Task<T>(Begun<T>)> job, Begun<T> begun, T otherwise,
                                              std::shared_ptr<Asked<T>> asked, std::function<bool()> waits);
  template <class T>
  base::Task<std::optional<T>> run_as_controller(std::function<base::Task<T>(Begun<T>)> job, Begun<T> begun);
  base::Task<std::vector<TopicCreated>> create(std::vector<NewTopic> topics, bool validate_only,
                                               std::optional<std::int32_t> timeout_ms);
  base::Task<Outcome> create_unless_there(NewTopic topic);
  base::Task<protocol::Result<ProducerIdBlock>> take_producer_ids_now(std::int32_t broker_id);
  base::Task<protocol::Result<ProducerIdBlock>> take_producer_ids(std::int32_t broker_id);

  std::shared_ptr<JobQueue> queue_;
  ZooKeeperAccess access_;
  ControlContext context_;
  StoredConfigs configs_;
  TopicManager topics_;
  bool lets_wait_ = true;  // for what a request did to be seen
  std::set<std::string> scheduled_;  // events that wait for their job
  std::atomic<std::int64_t> broker_epoch_{-1};
  std::array<std::atomic<std::uint64_t>, 5> session_counts_{};  // by zk::client::SessionState
  std::int64_t stale_session_ = 0;  // the one that a crash of ours left behind
  std::uint64_t session_number_ = 0;  // of the newest session, whose end alone counts
  bool session_over_ = false;         // that one's
  bool read_refused_ = false;         // by ZooKeeper, so that the next election waits a little
  bool started_ = false;
  bool closed_ = false;
  bool connecting_ = false;
  bool auth_failed_ = false;  // in the connect at hand
};

}  // namespace broker::controller
