// For the thread of an event loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <string_view>

namespace base {

// Runs the loop until it is stopped or has no work. What a handler throws ends that handler alone, not the process: it is logged,
// and the loop goes on.
void run_loop(boost::asio::io_context& loop, std::string_view logger);

}  // namespace base
