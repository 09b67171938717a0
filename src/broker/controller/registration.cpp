// How a broker gets its node under /brokers/ids, and what it does if one is there already.
#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <fstream>

#include "base/logging.h"
#include "broker/controller/controller.h"

namespace broker::controller {
namespace {

namespace znodes = metadata::znodes;
using zk::client::Error;
using zk::client::Request;
using zk::client::Response;

constexpr const char* kLogger = "kafka.zk.KafkaZkClient";

bool same_endpoints(const metadata::Broker& one, const metadata::Broker& other) {
  return std::equal(one.endpoints.begin(), one.endpoints.end(), other.endpoints.begin(), other.endpoints.end(),
                    [](const metadata::Endpoint& a, const metadata::Endpoint& b) {
                      return a.listener == b.listener && a.host == b.host && a.port == b.port;
                    });
}

}  // namespace

base::Task<void> Controller::pause(boost::asio::any_io_executor executor, std::int32_t duration_ms) {
  boost::asio::steady_timer timer(executor, std::chrono::milliseconds(duration_ms));
  boost::system::error_code ignored;
  co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
}

base::Task<std::string> Controller::register_broker() {
  const std::string path = znodes::broker_path(context_.self.id);
  const std::string text = znodes::encode_broker(context_.self, context_.clock.wall_ms());
  const std::int64_t begun_ms = context_.clock.monotonic_ms();
  for (;;) {
    Request registration = zk::client::multi(zk::client::create(path, std::nullopt, zk::client::CreateMode::ephemeral),
                                             zk::client::set_data(path, text, 0));
    const Response response = co_await context_.execute(std::move(registration));
    if (response.ok()) {
      registered(response.results.at(1).stat.czxid);
      co_return std::string();
    }
    if (response.error != Error::node_exists) {
      co_return fmt::format("Registration of broker {} failed: {}", context_.self.id,
                            zk::client::name_of(response.error));
    }
    Request read = zk::client::get_data(path);
    const Response present = co_await context_.execute(std::move(read));
    if (present.ok() && present.stat.ephemeral_owner == context_.session_id()) {
      registered(present.stat.czxid);  // the answer to our own multi was lost
      co_return std::string();
    }
    const bool again = co_await clear_way(present, begun_ms);
    if (again) continue;
    co_return fmt::format(
        "Broker id {} is already registered at {} by another session (0x{:x}): either broker.id is used twice in this "
        "cluster, or that broker has just died and its session has not expired yet. It says: {}",
        context_.self.id, path, static_cast<std::uint64_t>(present.stat.ephemeral_owner), present.data.value_or(""));
  }
}

// What holds the node: nothing any more, a dead process of our own (whatever its endpoints were), one that may be (same
// endpoints, whose ports this process has bound), or another broker. False for the last.
base::Task<bool> Controller::clear_way(Response present, std::int64_t waiting_since_ms) {
  if (present.error == Error::no_node) co_return true;
  const std::int64_t owner = present.stat.ephemeral_owner;
  if (owner == last_session()) {
    base::log_info(kLogger, "Broker {} is still registered by session 0x{:x} of its crashed process; taking over",
                   context_.self.id, static_cast<std::uint64_t>(owner));
    co_await take_over(owner);
    co_return true;
  }
  const auto other = znodes::decode_broker(context_.self.id, present.data.value_or(""));
  if (!other || !same_endpoints(*other, context_.self)) co_return false;
  const std::int64_t waited_ms = context_.clock.monotonic_ms() - waiting_since_ms;
  if (waited_ms >= access_.registration_wait_ms) co_return false;
  if (waited_ms < access_.registration_poll_ms) {
    base::log_warn(
        kLogger,
        "Broker {} is registered under these endpoints by session 0x{:x}; waiting up to {} ms for it to expire",
        context_.self.id, static_cast<std::uint64_t>(owner), access_.registration_wait_ms);
  }
  co_await pause(queue_->executor(), access_.registration_poll_ms);
  co_return true;
}

base::Task<void> Controller::take_over(std::int64_t stale_session) {
  stale_session_ = stale_session;
  Request removal = zk::client::remove(znodes::broker_path(context_.self.id));
  co_await context_.execute(std::move(removal));
}

void Controller::change_endpoints(std::vector<metadata::Endpoint> endpoints) {
  queue_->post([this, endpoints = std::move(endpoints)]() -> base::Task<void> {
    context_.self.endpoints = endpoints;
    if (!started_) co_return;
    const std::string path = znodes::broker_path(context_.self.id);
    Request update = zk::client::set_data(path, znodes::encode_broker(context_.self, context_.clock.wall_ms()));
    const Response updated = co_await context_.execute(std::move(update));
    if (!updated.ok()) {  // with the session lost, registering again will tell them
      base::log_error(kLogger, "The addresses of broker {} at {} were not updated: {}", context_.self.id, path,
                      zk::client::name_of(updated.error));
      co_return;
    }
    base::log_info(kLogger, "Updated the addresses of broker {} at path {}", context_.self.id, path);
    const auto shown = context_.state.brokers.find(context_.self.id);
    if (shown == context_.state.brokers.end()) co_return;
    shown->second.endpoints = context_.self.endpoints;
    context_.publish();
  });
}

void Controller::registered(std::int64_t broker_epoch) {
  broker_epoch_ = broker_epoch;
  context_.self.epoch = broker_epoch;
  remember_session();
  base::log_info(kLogger, "Registered broker {} at path {} with czxid (broker epoch): {}", context_.self.id,
                 znodes::broker_path(context_.self.id), broker_epoch);
}

std::int64_t Controller::last_session() const {
  std::ifstream file(access_.session_file);
  std::string text;
  std::int64_t session = 0;
  if (!access_.session_file.empty() && file >> text) {
    std::from_chars(text.data(), text.data() + text.size(), session);
  }
  return session == 0 ? -1 : session;
}

// Lost by a crash of the machine at worst: then the old session is waited for.
void Controller::remember_session() {
  if (access_.session_file.empty()) return;
  const std::int64_t session = context_.session_id();
  std::ofstream file(access_.session_file, std::ios::trunc);
  file << session << "\n";
  if (!file.flush()) base::log_warn(kLogger, "{} can't be written", access_.session_file);
}

}  // namespace broker::controller
