// Keeps disks away from the event loops: a response whose records aren't in the page cache has them read by another
// thread first, so that sendfile(2) doesn't wait for a disk and with it every other connection of the loop.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/task.h"
#include "log/log_types.h"

namespace broker::partition {

bool all_resident(const std::vector<storage::FileSlice>& slices);
// The bytes of the slice if they are in memory.
std::optional<base::Bytes> read_resident(const storage::FileSlice& slice);
// Runs work that waits for disks, or takes long, on one of those threads, and returns on the caller's event loop. What
// it throws is logged.
base::Task<void> run_aside(std::function<void()> work);
// Runs work that looks things up in files under locks: what isn't in memory is read first, with no lock held, and the work is
// done again from its beginning. What it throws comes out.
base::Task<void> look_up_aside(std::function<void()> work);
// Returns once the slices were read.
base::Task<void> read_ahead(std::vector<storage::FileSlice> slices);
// Until none of these threads has anything to do: they answer to event loops, which must not go before. Blocks.
void wait_until_nothing_runs_aside();

}  // namespace broker::partition
