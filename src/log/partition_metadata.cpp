#include "log/partition_metadata.h"

#include "base/bytes.h"
#include "log/partition_files.h"

namespace storage {
namespace {

constexpr std::string_view kPrefix = "version: 0\ntopic_id: ";
constexpr std::size_t kTopicIdSize = 22;

}  // namespace

std::optional<base::Uuid> read_partition_metadata(base::FileSystem& files, const std::string& directory) {
  std::string path = directory + "/" + kPartitionMetadataFile;
  if (!files.exists(path)) return std::nullopt;
  base::Bytes bytes = base::read_file(files, path);
  if (is_blank(bytes)) return std::nullopt;
  std::string_view text = base::as_text(bytes);
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  if (!text.starts_with(kPrefix)) throw CorruptFile(path + " isn't a partition.metadata of version 0");
  auto topic_id = base::Uuid::parse(text.substr(kPrefix.size()));
  if (!topic_id || topic_id->is_zero()) throw CorruptFile(path + " has no valid topic id");
  return topic_id;
}

void remove_beginning_of_partition_metadata(base::FileSystem& files, const std::string& directory) {
  const std::string path = directory + "/" + kPartitionMetadataFile;
  if (!files.exists(path)) return;
  const base::Bytes bytes = base::read_file(files, path);
  std::string_view text = base::as_text(bytes);
  text = text.substr(0, text.find('\0'));
  if (text.empty() || text.size() >= kPrefix.size() + kTopicIdSize || !text.starts_with(kPrefix.substr(0, text.size()))) return;
  files.remove(path);
  files.sync_directory(directory);  // a start after a clean stop must not find it again
}

void write_partition_metadata(base::FileSystem& files, const std::string& directory, const base::Uuid& topic_id) {
  std::string text = std::string(kPrefix) + topic_id.to_string();
  replace_file(files, directory + "/" + kPartitionMetadataFile, base::as_bytes(text));
}

}  // namespace storage
