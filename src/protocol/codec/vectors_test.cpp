// Golden bytes made by Kafka 4.3.1's and 3.9.2's own classes, for every message, version and several contents each.
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include "protocol/codec/all_messages.h"
#include "protocol/codec/api_table.h"

namespace protocol {
namespace {

const std::string kTestdata = MILENA_SOURCE_DIR "/src/protocol/testdata/";

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells(1);
  for (const char letter : line) {
    if (letter == '\t') {
      cells.emplace_back();
    } else {
      cells.back() += letter;
    }
  }
  return cells;
}

std::string unzipped(const std::string& name) {
  gzFile file = gzopen((kTestdata + name).c_str(), "rb");
  if (!file) throw std::runtime_error("cannot open " + name);
  std::string text;
  char buffer[65536];
  for (int size = 0; (size = gzread(file, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(size));
  gzclose(file);
  return text;
}

struct Row {
  std::string message, kind, api_key, instance, hex;
  std::int16_t version = 0;
};

std::vector<Row> rows_of(const std::string& name) {
  std::vector<Row> rows;
  std::istringstream in(unzipped(name));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    const auto cells = split(line);
    Row row{cells[0], cells[1], cells[2], cells[4], cells[5], 0};
    row.version = static_cast<std::int16_t>(std::stoi(cells[3]));
    rows.push_back(row);
  }
  return rows;
}

// 3.9.2 puts what 4.3.1 calls a coordinator record's type into the version of its key; we do as 3.9.2, the bytes in the
// log are the same. 4.3.1 has names of their own for the first version of offset commits.
void use_our_names(Row& row) {
  const bool is_key = row.kind == "data" && row.message.ends_with("Key") && !row.api_key.empty();
  if (is_key) row.version = static_cast<std::int16_t>(std::stoi(row.api_key));
  if (row.message.starts_with("LegacyOffsetCommit")) row.message.erase(0, 6);
  if (row.message == "DefaultPrincipal") row.message += "Data";
  if (row.message.starts_with("ListClientMetricsResources")) {
    row.message.replace(0, std::string("ListClientMetricsResources").size(), "ListConfigResources");
  }
}

struct Scope {
  std::set<std::string> kraft_only;                                                // APIs
  std::map<std::pair<std::string, std::string>, std::set<std::int16_t>> unstable;  // by release and API
};

const Scope& scope() {
  static const Scope made = [] {
    Scope result;
    std::ifstream file(kTestdata + "api-versions.tsv");
    for (std::string line; std::getline(file, line);) {
      const auto cells = split(line);
      if (cells.size() > 6 && cells[6] == "kraft-only") result.kraft_only.insert(cells[1]);
      if (cells.size() < 8 || cells[7].empty() || cells[7] == "unstable") continue;
      const auto colon = cells[7].find(':');
      result.unstable[{cells[7].substr(0, colon), cells[1]}].insert(
          static_cast<std::int16_t>(std::stoi(cells[7].substr(colon + 1))));
    }
    return result;
  }();
  return made;
}

// Why we have no schema for a row; empty if we must have one.
std::string reason_without_schema(const std::string& release, const Row& row) {
  static const std::set<std::string> raft = {"KRaftVersionRecord",   "LeaderChangeMessage",  "QuorumState",
                                             "SnapshotFooterRecord", "SnapshotHeaderRecord", "VotersRecord"};
  if (row.kind == "request" || row.kind == "response") {
    const std::string api = row.message.substr(0, row.message.size() - row.kind.size());
    if (scope().kraft_only.contains(api)) return "API of KRaft only";
    const auto unstable = scope().unstable.find({release, api});
    return unstable != scope().unstable.end() && unstable->second.contains(row.version) ? "unstable version" : "";
  }
  if (row.message.starts_with("Remote")) return "record of tiered storage";
  if (row.message.ends_with("Record") || raft.contains(row.message)) return "record of KRaft";
  // Share groups were unstable in 3.9.2, and 4.3.1 has other records under the same numbers.
  if (release == "3.9.2" && row.message.starts_with("ShareGroup")) return "unstable record";
  return "";
}

using Counts = std::map<std::string, int>;

Counts check_all(const std::string& release, const std::string& name) {
  Counts counts;
  for (Row row : rows_of(name)) {
    use_our_names(row);
    const MessageInfo* message = find_message(row.message);
    const std::string reason = reason_without_schema(release, row);
    ++counts[reason];
    if (!reason.empty()) continue;
    SCOPED_TRACE(row.message + " v" + std::to_string(row.version) + " " + row.instance);
    if (!message) {
      ADD_FAILURE() << "no schema";
      continue;
    }
    const base::Bytes bytes = *base::from_hex(row.hex);
    base::Bytes encoded;
    const Decoded decoded = message->round_trip(row.version, bytes, encoded);
    EXPECT_TRUE(decoded) << decoded.error;
    EXPECT_EQ(decoded.bytes_left, 0u);
    EXPECT_EQ(base::to_hex(encoded), row.hex);
    std::string text;
    EXPECT_TRUE(message->print(row.version, bytes, text));
    EXPECT_TRUE(text.starts_with('{') && text.ends_with('}'));
    if (row.instance == "d") {
      EXPECT_EQ(base::to_hex(message->encode_default(row.version)), row.hex);
    }
  }
  return counts;
}

// The first number is of the rows that are checked. The rest is what we have no schemas for, on purpose.
TEST(Vectors, Kafka431) {
  EXPECT_EQ(check_all("4.3.1", "messages-4.3.1.tsv.gz"), (Counts{{"", 2609},
                                                                 {"API of KRaft only", 240},
                                                                 {"record of KRaft", 198},
                                                                 {"record of tiered storage", 20},
                                                                 {"unstable version", 10}}));
}

TEST(Vectors, Kafka392) {
  EXPECT_EQ(check_all("3.9.2", "messages-3.9.2-extra.tsv.gz"), (Counts{{"", 538},
                                                                       {"API of KRaft only", 12},
                                                                       {"record of KRaft", 2},
                                                                       {"record of tiered storage", 5},
                                                                       {"unstable record", 22},
                                                                       {"unstable version", 44}}));
}

TEST(Vectors, EveryPrefixIsRefused) {
  int prefixes = 0;
  const std::pair<const char*, const char*> files[] = {{"4.3.1", "messages-4.3.1.tsv.gz"},
                                                       {"3.9.2", "messages-3.9.2-extra.tsv.gz"}};
  for (const auto& [release, name] : files) {
    for (Row row : rows_of(name)) {
      use_our_names(row);
      const MessageInfo* message = find_message(row.message);
      if (!reason_without_schema(release, row).empty()) continue;
      const base::Bytes bytes = *base::from_hex(row.hex);
      for (std::size_t length = 0; length < bytes.size(); ++length) {
        // In a buffer of its own size, so that AddressSanitizer sees a read beyond it.
        const base::Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
        base::Bytes encoded;
        const Decoded decoded = message->round_trip(row.version, cut, encoded);
        ASSERT_FALSE(decoded) << row.message << " v" << row.version << " " << row.instance << " " << length;
        ASSERT_NE(decoded.error.find(": "), std::string::npos);
        ++prefixes;
      }
    }
  }
  EXPECT_GT(prefixes, 100'000);
}

TEST(ApiTable, HasTheVersionsOfBothReleases) {
  std::ifstream file(kTestdata + "api-versions.tsv");
  std::size_t apis = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    const auto cells = split(line);
    const auto key = static_cast<std::int16_t>(std::stoi(cells[0]));
    const ApiInfo* api = find_api(key);
    if (cells[5] == "no") {
      EXPECT_EQ(api, nullptr) << cells[1];
      continue;
    }
    ASSERT_NE(api, nullptr) << cells[1];
    EXPECT_EQ(std::to_string(api->version_min) + "-" + std::to_string(api->version_max), cells[5]) << cells[1];
    EXPECT_TRUE(cells[1] == api->name || cells[1].ends_with("/" + std::string(api->name)));
    EXPECT_EQ(name_of(api->key), api->name);
    ++apis;
  }
  EXPECT_EQ(all_apis().size(), apis);
  EXPECT_EQ(apis, 80u);
  EXPECT_EQ(find_api(-1), nullptr);
  EXPECT_EQ(find_api(999), nullptr);
  EXPECT_THROW(api_info(static_cast<ApiKey>(999)), std::logic_error);
}

// Cells like "0-8:1 9-11:2".
void check_header_versions(const ApiInfo& api, const std::string& cell, bool request) {
  std::istringstream in(cell);
  for (std::string range; in >> range;) {
    const auto colon = range.find(':');
    const auto dash = range.find('-');
    const int first = std::stoi(range);
    const int last = dash == std::string::npos ? first : std::stoi(range.substr(dash + 1));
    for (int version = first; version <= last; ++version) {
      const auto v = static_cast<std::int16_t>(version);
      EXPECT_EQ(request ? request_header_version(api, v) : response_header_version(api, v),
                std::stoi(range.substr(colon + 1)))
          << api.name << " v" << version;
    }
  }
}

TEST(ApiTable, HasTheHeaderVersionsOfBothReleases) {
  for (const char* name : {"api-keys-3.9.2.tsv", "api-keys-4.3.1.tsv"}) {
    std::ifstream file(kTestdata + name);
    int apis = 0;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with('#')) continue;
      const auto cells = split(line);
      const ApiInfo* api = find_api(static_cast<std::int16_t>(std::stoi(cells[0])));
      if (!api || cells.size() < 11) continue;
      check_header_versions(*api, cells[9], true);
      check_header_versions(*api, cells[10], false);
      ++apis;
    }
    EXPECT_GT(apis, 60);
  }
}

}  // namespace
}  // namespace protocol
