// The session's life: start, registration, election, events. What requests ask is in controller_requests.cpp.
#include "broker/controller/controller.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>

#include "base/logging.h"
#include "zk/client/session_thread.h"

namespace broker::controller {
namespace {

namespace znodes = metadata::znodes;
using zk::client::Error;
using zk::client::Request;
using zk::client::Response;

constexpr const char* kLogger = "kafka.controller.KafkaController";
constexpr const char* kServerLogger = "kafka.server.KafkaServer";

// Events that no znode tells of.
constexpr const char* kSessionEnd = "expired";
constexpr const char* kUncleanAllowed = "unclean elections are allowed";

StartError timed_out(const ZooKeeperAccess& access) {
  const std::string last = access.last_failure ? access.last_failure() : "";
  return StartError(fmt::format("Timed out waiting for connection to ZooKeeper (zookeeper.connect, zookeeper.connection.timeout.ms){}{}",
                                last.empty() ? "" : "; the last try ended with ", last));
}

}  // namespace

ZooKeeperAccess zookeeper_access(boost::asio::any_io_executor executor, zk::client::SessionOptions options,
                                 std::int32_t connection_timeout_ms) {
  options.last_failure = std::make_shared<zk::client::LastFailure>();
  ZooKeeperAccess access;
  access.last_failure = [failure = options.last_failure] { return failure->get(); };
  access.connection_timeout_ms = connection_timeout_ms;
  access.registration_wait_ms = options.session_timeout_ms + options.session_timeout_ms / 2;
  access.prepare = [executor, options, connection_timeout_ms] {
    return zk::client::create_chroot(executor, options, connection_timeout_ms);
  };
  access.open = [executor, options](zk::client::SessionEvents events) -> std::unique_ptr<zk::client::ZooKeeper> {
    return std::make_unique<zk::client::SessionThread>(executor, options, std::move(events));
  };
  return access;
}

Controller::Controller(boost::asio::any_io_executor executor, ZooKeeperAccess access, base::Clock& clock,
                       metadata::MetadataCache& cache, metadata::PartitionSink& sink, ControlHooks hooks)
    : queue_(std::make_shared<JobQueue>(std::move(executor))),
      access_(std::move(access)),
      context_(clock, cache, sink),
      configs_(context_),
      topics_(context_, configs_) {
  context_.hooks = std::move(hooks);
  context_.hooks.config_changed = [this, tell = std::move(context_.hooks.config_changed)](
                                      ConfigEntityType type, const std::string& name, const StringMap& overrides) {
    if (tell) tell(type, name, overrides);
    const bool may_allow = type == ConfigEntityType::topic ? topics_.unclean_allowed(name) : type != ConfigEntityType::group;
    if (may_allow) schedule(kUncleanAllowed);
  };
}

Controller::~Controller() {
  closed_ = true;
  queue_->close();
}

// ---- start

base::Task<std::string> Controller::open(std::optional<std::string> expected) {
  struct Opened {
    std::string cluster_id;
    std::string failure = "the controller was closed";
    Opened() {}
  };
  std::function<base::Task<Opened>()> job = [this, expected]() -> base::Task<Opened> {
    Opened opened;
    try {
      co_await connect();
      co_await create_persistent_paths();
      opened.cluster_id = co_await agree_on_cluster_id(expected);
      context_.state.cluster_id = opened.cluster_id;
      co_await configs_.load();
      opened.failure.clear();
    } catch (const std::exception& failure) {
      opened.failure = failure.what();
    }
    co_return opened;
  };
  const Opened opened = co_await ask<Opened>(queue_, std::move(job), Opened(), Asker::start);
  if (!opened.failure.empty()) throw StartError(opened.failure);
  co_return opened.cluster_id;
}

base::Task<void> Controller::start(metadata::Broker self) {
  std::function<base::Task<std::string>()> job = [this, self]() -> base::Task<std::string> {
    std::string failure;
    try {
      context_.self = self;
      failure = co_await register_broker();
      if (failure.empty()) {
        started_ = true;
        co_await elect();
      }
    } catch (const std::exception& error) {
      failure = error.what();
    }
    co_return failure;
  };
  const std::string failure = co_await ask<std::string>(queue_, std::move(job), "the controller was closed", Asker::start);
  if (!failure.empty()) throw StartError(failure);
}

void Controller::let_nobody_wait() {
  boost::asio::post(queue_->executor(), [this] {
    lets_wait_ = false;
    context_.waiting.clear();
  });
}

base::Task<void> Controller::close() {
  // Not a job: the one at hand may be waiting for a ZooKeeper that is away.
  co_await boost::asio::co_spawn(queue_->executor(), end_session(), boost::asio::use_awaitable);
}

base::Task<void> Controller::end_session() {
  closed_ = true;
  context_.active = false;
  queue_->close();
  lets_wait_ = false;
  context_.waiting.clear();
  const std::shared_ptr<zk::client::ZooKeeper> session = std::move(context_.zookeeper);
  if (session) co_await session->close();
}

// The version of /brokers/seqid, one higher with each write.
base::Task<std::int32_t> Controller::next_broker_sequence() {
  std::function<base::Task<std::int32_t>()> job = [this]() -> base::Task<std::int32_t> {
    Request bump = zk::client::set_data(std::string(znodes::kBrokerSequence), "");
    const Response bumped = co_await context_.execute(std::move(bump));
    co_return bumped.ok() ? bumped.stat.version : -1;
  };
  const std::int32_t version = co_await ask<std::int32_t>(queue_, std::move(job), -1, Asker::start);
  if (version < 0) throw StartError("No broker id could be generated: ZooKeeper refused to write /brokers/seqid");
  co_return version;
}

base::Task<void> Controller::connect() {
  base::log_info("kafka.zookeeper.ZooKeeperClient", "Connecting to zookeeper");
  const bool prepared = co_await access_.prepare();
  if (closed_) throw ControlLost("the controller was closed");
  if (!prepared) throw timed_out(access_);
  zk::client::SessionEvents events;
  events.watch = [this](const zk::client::WatchEvent& event) { on_watch(event); };
  const std::uint64_t number = ++session_number_;
  events.state = [this, number](zk::client::SessionState state) {
    if (number == session_number_) on_state(state);
  };
  session_over_ = false;
  const std::shared_ptr<zk::client::ZooKeeper> session = access_.open(std::move(events));
  context_.zookeeper = session;
  connecting_ = true;
  auth_failed_ = false;
  const bool connected = co_await session->wait_connected(access_.connection_timeout_ms);
  connecting_ = false;
  if (auth_failed_) throw StartError(zk::client::kAuthFailed);
  if (!connected) throw timed_out(access_);
}

// All in one go, parents first; on every start but the first each answers NODEEXISTS.
base::Task<void> Controller::create_persistent_paths() {
  std::vector<Request> requests;
  std::set<std::string> asked;
  for (const std::string_view path : znodes::persistent_paths()) {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string node(path.substr(0, end));
      if (asked.insert(node).second) requests.push_back(zk::client::create(node, std::nullopt));
      if (end == std::string_view::npos) break;
    }
  }
  const std::vector<Request> sent = requests;
  const std::vector<Response> responses = co_await context_.execute(std::move(requests));
  for (std::size_t i = 0; i < responses.size(); ++i) {
    if (responses[i].ok() || responses[i].error == Error::node_exists) continue;
    throw StartError("ZooKeeper refused to create " + sent[i].path + ": " +
                     std::string(zk::client::name_of(responses[i].error)));
  }
}

base::Task<std::string> Controller::agree_on_cluster_id(std::optional<std::string> expected) {
  Request read = zk::client::get_data(std::string(znodes::kClusterId));
  Response found = co_await context_.execute(read);
  if (found.error == Error::no_node) {
    const std::string text = znodes::encode_cluster_id(base::Uuid::random().to_string());
    std::vector<Request> requests;
    requests.push_back(zk::client::create(std::string(zk::client::parent_of(znodes::kClusterId)), std::nullopt));
    requests.push_back(zk::client::create(std::string(znodes::kClusterId), text));
    requests.push_back(read);
    const std::vector<Response> responses = co_await context_.execute(std::move(requests));
    found = responses.back();  // whoever made it
  }
  const std::optional<std::string> id = znodes::decode_cluster_id(found.data.value_or(""));
  if (!id) throw StartError("The znode /cluster/id can't be read");
  base::log_info(kServerLogger, "Cluster ID = {}", *id);
  if (expected && *expected != *id) {
    throw StartError("The Cluster ID " + *id + " doesn't match stored clusterId Some(" + *expected +
                     ") in meta.properties. The broker is trying to join the wrong cluster. Configured "
                     "zookeeper.connect may be wrong.");
  }
  co_return *id;
}

// ---- election

base::Task<void> Controller::elect() {
  for (;;) {
    std::vector<Request> look;
    look.push_back(zk::client::exists(std::string(znodes::kController), true));
    look.push_back(zk::client::get_data(std::string(znodes::kControllerEpoch)));
    look.push_back(zk::client::get_data(std::string(znodes::kController), true));
    const std::vector<Response> seen = co_await context_.execute(std::move(look));
    const Response& present = seen.back();
    // A removal that is sent twice, as its first answer was lost, must not meet the node of whoever came next. All such
    // nodes have version 0, but each winner writes its epoch.
    const auto removal = [&] {
      return zk::client::multi(
          zk::client::check(std::string(znodes::kControllerEpoch), seen[1].ok() ? seen[1].stat.version : 0),
          zk::client::remove(std::string(znodes::kController)));
    };
    if (present.ok() && (stale_session_ == 0 || present.stat.ephemeral_owner != stale_session_)) {
      const bool own = present.stat.ephemeral_owner == context_.session_id();
      if (own && context_.active) co_return;
      const std::int32_t other = znodes::decode_controller(present.data.value_or("")).value_or(-1);
      if (!own) {
        follow(other);
        co_return;
      }
      // Won earlier by a multi whose answer was lost, or fenced off since: stand again for a new epoch.
      Request resign = removal();
      co_await context_.execute(std::move(resign));
    }
    if (present.ok() && stale_session_ != 0 && present.stat.ephemeral_owner == stale_session_) {
      Request depose = removal();
      co_await context_.execute(std::move(depose));
    }
    const bool won = co_await stand_for_election();
    if (won) break;
  }
  co_await become_controller();
}

base::Task<bool> Controller::stand_for_election() {
  Request read = zk::client::get_data(std::string(znodes::kControllerEpoch));
  Response epoch = co_await context_.execute(read);
  if (epoch.error == Error::no_node) {
    std::vector<Request> requests;
    requests.push_back(zk::client::create(std::string(znodes::kControllerEpoch), "0"));
    requests.push_back(read);
    const std::vector<Response> responses = co_await context_.execute(std::move(requests));
    epoch = responses.back();
  }
  if (!epoch.ok()) throw ControlLost("the controller epoch can't be read");
  const std::int32_t next = std::atoi(epoch.data.value_or("0").c_str()) + 1;
  const std::string text = znodes::encode_controller(context_.self.id, context_.clock.wall_ms());
  Request claim = zk::client::multi(
      zk::client::create(std::string(znodes::kController), text, zk::client::CreateMode::ephemeral),
      zk::client::set_data(std::string(znodes::kControllerEpoch), std::to_string(next), epoch.stat.version));
  const Response claimed = co_await context_.execute(std::move(claim));
  if (!claimed.ok()) {
    const bool outrun = claimed.error == Error::node_exists || claimed.error == Error::bad_version ||
                        claimed.error == Error::no_node;
    if (!outrun) {  // and would be again at once
      throw ReadRefused(fmt::format("ZooKeeper refuses {} to this broker: {}", znodes::kController,
                                    zk::client::name_of(claimed.error)));
    }
    base::log_debug(kLogger, "Not elected: {}", zk::client::name_of(claimed.error));
    co_return false;
  }
  context_.epoch = next;
  context_.epoch_version = claimed.results.at(1).stat.version;
  co_return true;
}

base::Task<void> Controller::become_controller() {
  base::log_info(kLogger, "[Controller id={}] {} successfully elected as the controller. Epoch incremented to {}",
                 context_.self.id, context_.self.id, context_.epoch);
  context_.active = true;
  context_.state.controller_id = context_.self.id;
  Request read = zk::client::get_data(std::string(znodes::kFeature), true);
  const Response feature = co_await context_.execute(std::move(read));
  if (feature.error == Error::no_node) {
    Request make = zk::client::create(std::string(znodes::kFeature), znodes::feature_text());
    co_await context_.execute(std::move(make));
  }
  Request watch = zk::client::exists(std::string(znodes::kController), true);
  co_await context_.execute(std::move(watch));
  co_await topics_.load();
}

void Controller::follow(std::int32_t other) {
  base::log_error(kLogger,
                  "[Controller id={}] Broker {} is the controller of this cluster. Clusters of several brokers are not "
                  "supported yet: this broker is registered, but leads no partitions until it is elected itself.",
                  context_.self.id, other);
  step_down();
  context_.state.controller_id = other;
  context_.state.brokers.clear();
  context_.state.brokers[context_.self.id] = context_.self;
  context_.publish();
}

// Also if it is long since active: then its partitions went on serving until now that another is known to have won.
void Controller::step_down() {
  if (context_.active) base::log_info(kLogger, "[Controller id={}] Resigned", context_.self.id);
  context_.active = false;
  topics_.step_down();
}

// ---- events

void Controller::on_watch(const zk::client::WatchEvent& event) { schedule(event.path); }

void Controller::on_state(zk::client::SessionState state) {
  ++session_counts_[static_cast<std::size_t>(state)];
  if (state == zk::client::SessionState::auth_failed) {
    auth_failed_ = true;
    if (connecting_) return;  // connect() tells
  } else if (state != zk::client::SessionState::expired) {
    return;
  }
  session_over_ = true;
  schedule(kSessionEnd);
}

void Controller::schedule(const std::string& path) {
  if (closed_ || !scheduled_.insert(path).second) return;
  queue_->post([this, path]() -> base::Task<void> {
    scheduled_.erase(path);
    std::optional<ControlLost> lost;
    try {
      co_await handle_event(path);
    } catch (const ReadRefused& refused) {
      lost = refused;
      read_refused_ = true;
    } catch (const ControlLost& failure) {
      lost = failure;
    }
    if (lost) lose_control(lost->what());
  });
}

// The fence or the session is gone. An ended session has an event of its own, which does the rest.
void Controller::lose_control(const std::string& reason) {
  base::log_warn(kLogger, "[Controller id={}] Control lost: {}", context_.self.id, reason);
  if (!context_.active && !read_refused_) return;
  context_.active = false;
  schedule(std::string(znodes::kController));
}

base::Task<void> Controller::handle_event(std::string path) {
  if (closed_) co_return;
  if (path == kSessionEnd) {
    // Not if the session that ended is replaced already: one may end while it is made.
    if (session_over_) co_await renew_session();
  } else if (path == znodes::kConfigChanges) {
    co_await configs_.follow_changes();
  } else if (!started_) {
    co_return;
  } else if (path == znodes::kController) {
    if (std::exchange(read_refused_, false)) {
      co_await pause(queue_->executor(), access_.renewal_pause_ms);
      if (closed_) co_return;
    }
    co_await elect();
  } else if (!context_.active) {
    co_return;
  } else if (path == kUncleanAllowed) {
    co_await topics_.elect_where_unclean_is_allowed();
  } else if (path == znodes::kBrokerIds) {
    co_await topics_.brokers_changed();
  } else if (path == znodes::kTopics) {
    co_await topics_.topics_changed();
  } else if (path == znodes::kDeleteTopics) {
    co_await topics_.deletions_changed();
  } else if (path == znodes::kLogDirEvents) {
    co_await topics_.log_dir_events_changed();
  } else if (path == znodes::kPreferredElection) {
    co_await topics_.preferred_election_requested();
  } else if (path == znodes::kReassignPartitions) {
    co_await topics_.refuse_stored_reassignment();
  } else if (path.starts_with(znodes::kTopics) && path.size() > znodes::kTopics.size() + 1) {
    co_await topics_.topic_changed(path.substr(znodes::kTopics.size() + 1));
  }
}

// What ZooKeeper refuses it would refuse in another session: this one is kept, and the election held again.
base::Task<void> Controller::elect_in_new_session() {
  try {
    co_await elect();
  } catch (const ReadRefused& refused) {
    read_refused_ = true;
    lose_control(refused.what());
  }
}

// Everything that hung on the old session is gone: the registration, the controller's node, the watches.
base::Task<void> Controller::renew_session() {
  // Partitions go on serving meanwhile, as with Kafka: nobody else can have been told to lead them.
  context_.active = false;
  for (;;) {
    std::string reason;
    context_.zookeeper.reset();
    try {
      co_await connect();
      co_await configs_.load();
      if (!started_) co_return;
      reason = co_await register_broker();
      if (reason.empty()) {
        co_await elect_in_new_session();
        co_return;
      }
      if (context_.hooks.fatal) context_.hooks.fatal(reason);
      base::log_error(kServerLogger, "{}", reason);
      co_return;
    } catch (const std::exception& failure) {
      reason = failure.what();
    }
    if (closed_) co_return;
    base::log_warn(kServerLogger, "No new ZooKeeper session yet: {}", reason);
    co_await pause(queue_->executor(), access_.renewal_pause_ms);
    if (closed_) co_return;
  }
}

}  // namespace broker::controller
