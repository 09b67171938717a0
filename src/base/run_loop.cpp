#include "base/run_loop.h"

#include <exception>

#include "base/logging.h"

namespace base {

void run_loop(boost::asio::io_context& loop, std::string_view logger) {
  for (;;) {
    try {
      loop.run();
      return;
    } catch (const std::exception& error) {
      log_error(logger, "Uncaught exception: {}", error.what());
    }
  }
}

}  // namespace base
