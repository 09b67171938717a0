// meta.properties: whose a log directory is; and .kafka_cleanshutdown, the marker of an orderly end. Throws
// std::system_error, and CorruptFile for a meta.properties that can't be understood.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/file_system.h"
#include "log/corrupt_file.h"

namespace storage {

inline constexpr const char* kMetaPropertiesFile = "meta.properties";
inline constexpr const char* kCleanShutdownFile = ".kafka_cleanshutdown";
inline constexpr const char* kLockFile = ".lock";

struct MetaProperties {
  std::optional<std::int32_t> broker_id;
  std::optional<std::string> cluster_id;
};

// Nothing if there is no file.
std::optional<MetaProperties> read_meta_properties(base::FileSystem& files, const std::string& directory);
MetaProperties decode_meta_properties(base::ByteView bytes);
void write_meta_properties(base::FileSystem& files, const std::string& directory, std::int32_t broker_id,
                           const std::string& cluster_id, std::int64_t now_ms);
void write_clean_shutdown_marker(base::FileSystem& files, const std::string& directory);

}  // namespace storage
