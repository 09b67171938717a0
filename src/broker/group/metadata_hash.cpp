#include "broker/group/metadata_hash.h"

#include <algorithm>
#include <array>
#include <string>

#define XXH_INLINE_ALL  // no library to link
#include <xxhash.h>

#include "base/bytes.h"
#include "broker/coordinator/utf16.h"

namespace broker::group {
namespace {

// Numbers with their least significant byte first.
class Xxh3 {
 public:
  Xxh3() { XXH3_64bits_reset(&state_); }

  template <class T>
  void add(T number) {
    std::array<std::uint8_t, sizeof(T)> bytes{};
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      bytes[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(number) >> (8 * i));
    }
    XXH3_64bits_update(&state_, bytes.data(), bytes.size());
  }
  // Java's units, then how many they are.
  void add(const std::u16string& text) {
    for (const char16_t unit : text) add(static_cast<std::uint16_t>(unit));
    add(static_cast<std::int32_t>(text.size()));
  }
  std::int64_t value() const { return static_cast<std::int64_t>(XXH3_64bits_digest(&state_)); }

 private:
  XXH3_state_t state_;
};

std::u16string utf16_of(std::string_view text) {
  std::u16string units;
  coordinator::for_each_utf16_unit(text, [&](std::uint16_t unit) { units.push_back(unit); });
  return units;
}

}  // namespace

std::int64_t hash_of_topic(const metadata::Topic& topic, const metadata::ClusterMetadata& cluster) {
  Xxh3 hash;
  hash.add(std::uint8_t{0});  // the version of the hash
  hash.add(base::load_big_endian<std::uint64_t>(topic.id.bytes.data()));
  hash.add(base::load_big_endian<std::uint64_t>(topic.id.bytes.data() + 8));
  hash.add(utf16_of(topic.name));
  hash.add(static_cast<std::int32_t>(topic.partitions.size()));
  for (const auto& [index, partition] : topic.partitions) {
    hash.add(index);
    std::vector<std::u16string> racks;  // one that has several replicas is there as often
    for (const std::int32_t replica : partition.replicas) {
      const auto broker = cluster.brokers.find(replica);
      if (broker != cluster.brokers.end() && broker->second.rack) racks.push_back(utf16_of(*broker->second.rack));
    }
    std::ranges::sort(racks);
    for (const std::u16string& rack : racks) {
      hash.add(static_cast<std::int32_t>(rack.size()));
      hash.add(rack);
    }
  }
  return hash.value();
}

std::int64_t hash_of_topics(const std::vector<std::int64_t>& hashes) {
  if (hashes.empty()) return 0;
  Xxh3 hash;
  for (const std::int64_t one : hashes) hash.add(one);
  return hash.value();
}

}  // namespace broker::group
