// What the log and the owner are told about servers that can't be reached.
#include <fmt/format.h>

#include "base/logging.h"
#include "zk/client/session_impl.h"

namespace zk::client {
namespace {

constexpr const char* kLogger = "milena.zk.Session";
// Tries follow each other within a second. A reason that stays the same is told again after this long.
constexpr std::chrono::seconds kSameReasonAgain(10);

}  // namespace

void LastFailure::set(std::string text) {
  const std::lock_guard lock(mutex_);
  text_ = std::move(text);
}

std::string LastFailure::get() const {
  const std::lock_guard lock(mutex_);
  return text_;
}

void Session::Impl::tell_failure(const std::string& reason) {
  const bool is_ipv6 = server_.host.find(':') != std::string::npos;
  const std::string address = fmt::format("{}{}{}:{}", is_ipv6 ? "[" : "", server_.host, is_ipv6 ? "]" : "", server_.port);
  if (options_.last_failure) options_.last_failure->set(fmt::format("{}: {}", address, reason));
  if (phase_ == Phase::attached) {
    base::log_warn(kLogger, "Session 0x{:x} lost its connection to {}: {}", session_id_.load(), address, reason);
    return;
  }
  const Clock::time_point now = Clock::now();
  Told& told = told_[address];
  if (told.reason == reason && now - told.at < kSameReasonAgain) return;
  told = {reason, now};
  const char* missing = phase_ == Phase::connecting ? "connection to" : tls_ ? "session over TLS with" : "session with";
  base::log_warn(kLogger, "No {} {}: {}", missing, address, reason);
}

}  // namespace zk::client
