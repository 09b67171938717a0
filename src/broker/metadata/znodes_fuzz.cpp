// Any bytes as the text of each of Kafka's znodes: nothing, or a value that is the same after it was written and read
// again.
#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "broker/metadata/znodes.h"

namespace {

using namespace broker::metadata;

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = base::as_text(base::ByteView(data, size));
  if (const auto broker = znodes::decode_broker(1, text)) {
    check(broker->id == 1);
    if (!broker->endpoints.empty()) {
      const auto again = znodes::decode_broker(1, znodes::encode_broker(*broker, 5));
      check(again && again->endpoints.size() == broker->endpoints.size() && again->rack == broker->rack);
    }
  }
  if (const auto topic = znodes::decode_topic(text)) {
    const auto again = znodes::decode_topic(znodes::encode_topic(*topic));
    check(again && again->id == topic->id && again->partitions.size() == topic->partitions.size());
    for (const auto& [number, partition] : topic->partitions) {
      check(again->partitions.at(number).replicas == partition.replicas);
    }
  }
  if (const auto state = znodes::decode_state(text)) check(znodes::decode_state(znodes::encode_state(*state)) == state);
  if (const auto id = znodes::decode_controller(text)) {
    check(znodes::decode_controller(znodes::encode_controller(*id, 5)) == id);
  }
  if (const auto id = znodes::decode_log_dir_event(text)) {
    check(znodes::decode_log_dir_event(znodes::encode_log_dir_event(*id)) == id);
  }
  if (const auto id = znodes::decode_cluster_id(text)) {
    check(znodes::decode_cluster_id(znodes::encode_cluster_id(*id)) == id);
  }
  if (const auto config = znodes::decode_config(text)) {
    check(znodes::decode_config(znodes::encode_config(*config)) == config);
  }
  if (const auto entity = znodes::decode_config_change(text)) {
    check(znodes::decode_config_change(znodes::encode_config_change(*entity)) == entity);
  }
  if (const auto block = znodes::decode_producer_ids(text)) {
    const auto again = znodes::decode_producer_ids(znodes::encode_producer_ids(*block));
    check(again && again->broker == block->broker && again->first == block->first && again->last == block->last);
  }
  (void)znodes::decode_partition_list(text);
  check(znodes::text_of_node_name(znodes::node_name(text)) == text);
  (void)znodes::text_of_node_name(text);
  return 0;
}
