// A coordinator's surroundings in simulated time: a clock that only the test moves, a log in memory, and an event loop that
// runs until everybody waits. For one thread. Steps of scripts that all coordinators have in common:
//
//   after 10 s                                        time passes; what comes of it has its time before it
//   records fail with ERROR, records succeed          appends
//   records wait, records are committed [with ERROR]  what is appended
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/task.h"
#include "broker/coordinator/testing/memory_log.h"
#include "broker/coordinator/testing/script.h"

namespace broker::coordinator::testing {

// Of the name that name_of() gives.
inline protocol::ErrorCode error_named(const std::string& name) {
  constexpr int kLast = 200;
  for (int number = -1; number < kLast; ++number) {
    const auto code = static_cast<protocol::ErrorCode>(number);
    if (protocol::name_of(code) == name) return code;
  }
  throw std::runtime_error("no error has the name " + name);
}

class Simulation {
 public:
  Simulation() {
    CoordinatorLog& topic = log;
    (void)run(topic.partition_count(true));
  }

  void poll() {
    loop.restart();
    loop.poll();
  }
  // `done` gets the result, at once or when what the task waits for has come.
  template <class T, class Done>
  void start(base::Task<T> task, Done done) {
    boost::asio::co_spawn(loop, std::move(task), [done = std::move(done)](const std::exception_ptr& failure, T value) mutable {
      if (failure) std::rethrow_exception(failure);
      done(std::move(value));
    });
    poll();
  }
  void start(base::Task<void> task) {
    boost::asio::co_spawn(loop, std::move(task), [](const std::exception_ptr& failure) {
      if (failure) std::rethrow_exception(failure);
    });
    poll();
  }
  // A call that doesn't wait.
  template <class T>
  T run(base::Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    start(std::move(task), [result](T value) { *result = std::move(value); });
    if (!*result) throw std::runtime_error("the answer keeps waiting");
    return std::move(**result);
  }

  // "records ..."
  void rule_records(Words& words) {
    if (words.take("wait")) {
      log.commits_by_itself = false;
    } else if (words.take("succeed")) {
      log.append_error = protocol::ErrorCode::none;
    } else if (words.take("fail")) {
      log.append_error = error_named(words.after("with").value());
    } else if (words.take("are") && words.take("committed")) {
      const auto error = words.after("with");
      log.commits_by_itself = true;
      log.commit_all(error ? error_named(*error) : protocol::ErrorCode::none);
    } else {
      throw BadStep("records wait, succeed, fail or are committed");
    }
  }
  // "after 10 s": in ticks, so that what is due comes in its order, at the time that it is due. `tick` is given how many
  // milliseconds have passed, and adds to `events`.
  template <class Tick>
  void pass(std::int64_t total_ms, std::vector<std::string>& events, Tick tick) {
    constexpr std::int64_t kTickMs = 100;
    for (std::int64_t passed = kTickMs; passed <= total_ms; passed += kTickMs) {
      clock.advance_ms(kTickMs);
      const std::size_t seen = events.size();
      tick(passed);
      for (std::size_t i = seen; i < events.size(); ++i) {
        events[i] = fmt::format("at {:g} s: {}", static_cast<double>(passed) / 1000, events[i]);
      }
    }
  }

  MemoryLog log;
  base::ManualClock clock;
  boost::asio::io_context loop;
};

}  // namespace broker::coordinator::testing
