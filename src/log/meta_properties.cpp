#include "log/meta_properties.h"

#include <charconv>

#include "base/properties.h"

namespace storage {
namespace {

std::optional<std::int32_t> parse_int(const std::string& text) {
  std::int32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

MetaProperties decode_meta_properties(base::ByteView bytes) {
  MetaProperties result;
  try {
    base::Properties properties = base::Properties::parse(base::as_text(bytes));
    std::string version = properties.get("version").value_or("0");
    if (version != "0" && version != "1") throw CorruptFile("version '" + version + "' is unknown");
    if (auto id = properties.get(version == "0" ? "broker.id" : "node.id")) {
      result.broker_id = parse_int(*id);
      if (!result.broker_id) throw CorruptFile("broker id '" + *id + "' is no number");
    }
    result.cluster_id = properties.get("cluster.id");
  } catch (const base::PropertiesError& error) {
    throw CorruptFile(error.what());
  }
  return result;
}

std::optional<MetaProperties> read_meta_properties(base::FileSystem& files, const std::string& directory) {
  std::string path = directory + "/" + kMetaPropertiesFile;
  if (!files.exists(path)) return std::nullopt;
  try {
    return decode_meta_properties(base::read_file(files, path));
  } catch (const CorruptFile& error) {
    throw CorruptFile(path + ": " + error.what());
  }
}

void write_meta_properties(base::FileSystem& files, const std::string& directory, std::int32_t broker_id,
                           const std::string& cluster_id, std::int64_t now_ms) {
  std::string text = base::write_properties(
      {{"broker.id", std::to_string(broker_id)}, {"version", "0"}, {"cluster.id", cluster_id}}, "", now_ms);
  base::write_file_atomically(files, directory + "/" + kMetaPropertiesFile, base::as_bytes(text));
}

void write_clean_shutdown_marker(base::FileSystem& files, const std::string& directory) {
  std::string path = directory + "/" + kCleanShutdownFile;
  base::write_file_atomically(files, path, base::as_bytes(R"({"version":0,"brokerEpoch":-1})"));
}

}  // namespace storage
