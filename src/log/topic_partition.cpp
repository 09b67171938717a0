#include "log/topic_partition.h"

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "base/uuid.h"

namespace storage {
namespace {

constexpr std::size_t kOffsetDigits = 20;
constexpr std::size_t kDirectoryNameMax = 255;
constexpr std::size_t kUidDigits = 32;

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

std::optional<TopicPartition> parse_topic_partition(std::string_view name) {
  std::size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  std::string_view digits = name.substr(dash + 1);
  if (!all_digits(digits)) return std::nullopt;
  TopicPartition result;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), result.partition);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  result.topic = name.substr(0, dash);
  return result;
}

std::optional<DirectoryKind> kind_of_ending(std::string_view ending) {
  if (ending == "delete") return DirectoryKind::to_delete;
  if (ending == "future") return DirectoryKind::future;
  if (ending == "stray") return DirectoryKind::stray;
  return std::nullopt;
}

}  // namespace

std::optional<PartitionDirectory> parse_partition_directory(std::string_view name) {
  PartitionDirectory result;
  std::size_t dash = name.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  std::string_view plain = name;
  if (auto kind = kind_of_ending(name.substr(dash + 1))) {
    std::size_t dot = name.rfind('.', dash);
    if (dot == std::string_view::npos) return std::nullopt;
    std::string_view uid = name.substr(dot + 1, dash - dot - 1);
    if (uid.size() != kUidDigits || !std::all_of(uid.begin(), uid.end(), is_hex)) return std::nullopt;
    result.kind = *kind;
    plain = name.substr(0, dot);
  }
  auto topic_partition = parse_topic_partition(plain);
  if (!topic_partition) return std::nullopt;
  result.topic_partition = std::move(*topic_partition);
  return result;
}

std::string deleted_directory_name(const TopicPartition& topic_partition) {
  std::string ending =
      "-" + std::to_string(topic_partition.partition) + "." + base::to_hex(base::Uuid::random().bytes) + "-delete";
  return topic_partition.topic.substr(0, kDirectoryNameMax - ending.size()) + ending;
}

bool has_future_directory_name(const TopicPartition& topic_partition) {
  return future_directory_name(topic_partition).size() <= kDirectoryNameMax;
}

std::string future_directory_name(const TopicPartition& topic_partition) {
  return topic_partition.to_string() + "." + base::to_hex(base::Uuid::random().bytes) + "-future";
}

std::string file_name(std::int64_t offset, std::string_view suffix) {
  std::string digits = std::to_string(offset);
  std::string name(kOffsetDigits > digits.size() ? kOffsetDigits - digits.size() : 0, '0');
  name += digits;
  name += suffix;
  return name;
}

std::optional<ParsedFileName> parse_file_name(std::string_view name) {
  std::size_t dot = name.find('.');
  if (dot == std::string_view::npos || !all_digits(name.substr(0, dot))) return std::nullopt;
  ParsedFileName result;
  auto [end, error] = std::from_chars(name.data(), name.data() + dot, result.offset);
  if (error != std::errc{} || end != name.data() + dot) return std::nullopt;
  result.suffix = name.substr(dot);
  return result;
}

}  // namespace storage
