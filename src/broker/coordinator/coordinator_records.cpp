#include "broker/coordinator/coordinator_records.h"

#include <cstdlib>
#include <limits>

#include "broker/coordinator/record_list.h"
#include "broker/coordinator/utf16.h"

namespace broker::coordinator {

base::Bytes build_batch(const std::vector<KeyAndValue>& records, std::int64_t timestamp, const BatchSender& sender) {
  return RecordList(records).build_batch(timestamp, sender);
}

std::int32_t partition_of(std::string_view id, std::int32_t partition_count) {
  std::uint32_t hash = 0;
  for_each_utf16_unit(id, [&hash](std::uint16_t unit) { hash = 31 * hash + unit; });
  // The absolute value, with Java's one exception.
  const auto signed_hash = static_cast<std::int32_t>(hash);
  const std::int32_t positive = signed_hash == std::numeric_limits<std::int32_t>::min() ? 0 : std::abs(signed_hash);
  return positive % partition_count;
}

}  // namespace broker::coordinator
