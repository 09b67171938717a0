// partition.metadata: the topic id of a partition's directory, so that a topic made anew under an old name is told
// apart. Throws CorruptFile and std::system_error.
#pragma once

#include <optional>
#include <string>

#include "base/file_system.h"
#include "base/uuid.h"
#include "log/corrupt_file.h"

namespace storage {

inline constexpr const char* kPartitionMetadataFile = "partition.metadata";

std::optional<base::Uuid> read_partition_metadata(base::FileSystem& files, const std::string& directory);
// After a crash: the file goes if it is the beginning of one, as it gets its name before it is synced. The id is then the cluster's.
void remove_beginning_of_partition_metadata(base::FileSystem& files, const std::string& directory);
// Not synced: see replace_file().
void write_partition_metadata(base::FileSystem& files, const std::string& directory, const base::Uuid& topic_id);

}  // namespace storage
