// A partition's name, and the names of its directory and files on disk.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace storage {

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;

  std::string to_string() const { return topic + "-" + std::to_string(partition); }
  auto operator<=>(const TopicPartition&) const = default;
};

enum class DirectoryKind { partition, to_delete, future, stray };

struct PartitionDirectory {
  DirectoryKind kind = DirectoryKind::partition;
  TopicPartition topic_partition;  // of to_delete and stray the topic may be cut short
};

// Nothing if the name isn't one of a partition's directory (which stops a broker at start).
std::optional<PartitionDirectory> parse_partition_directory(std::string_view name);
// "<topic>-<n>.<32 hex>-delete", at most 255 characters, the topic cut if need be.
std::string deleted_directory_name(const TopicPartition& topic_partition);
// "<topic>-<n>.<32 hex>-future", for a copy that grows in another directory; not cut, as in Kafka.
std::string future_directory_name(const TopicPartition& topic_partition);
// Whether it has at most 255 characters: what file systems take.
bool has_future_directory_name(const TopicPartition& topic_partition);

// "00000000000000000042" + ".log"
std::string file_name(std::int64_t offset, std::string_view suffix);
struct ParsedFileName {
  std::int64_t offset = 0;
  std::string_view suffix;  // ".log", ".index.deleted", …: from the first dot on; a view into the name given
};
std::optional<ParsedFileName> parse_file_name(std::string_view name);

inline constexpr std::string_view kLogSuffix = ".log";
inline constexpr std::string_view kIndexSuffix = ".index";
inline constexpr std::string_view kTimeIndexSuffix = ".timeindex";
inline constexpr std::string_view kTransactionIndexSuffix = ".txnindex";
inline constexpr std::string_view kSnapshotSuffix = ".snapshot";
inline constexpr std::string_view kDeletedSuffix = ".deleted";
inline constexpr std::string_view kCleanedSuffix = ".cleaned";
inline constexpr std::string_view kSwapSuffix = ".swap";

}  // namespace storage

template <>
struct std::hash<storage::TopicPartition> {
  std::size_t operator()(const storage::TopicPartition& value) const noexcept {
    return std::hash<std::string>{}(value.topic) * 31 + static_cast<std::size_t>(value.partition);
  }
};
