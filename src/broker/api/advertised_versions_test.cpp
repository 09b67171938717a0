// Which versions are advertised; and that every version of every API is answered in that version, to its last byte, for
// the requests that Kafka's own classes wrote, most of which ask for what isn't there.
#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <map>
#include <sstream>

#include "broker/api/testing/every_version.h"

namespace broker::api {
namespace {

using namespace protocol;
using testing::EveryVersion;
using testing::from_hex;

const std::string kTestdata = MILENA_SOURCE_DIR "/src/protocol/testdata/";

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, '\t');) cells.push_back(cell);
  return cells;
}

struct RequestRow {
  std::string name;  // "Fetch v4 f of 3.9.2"
  std::int16_t version = 0;
  base::Bytes body;
};

// The bodies of requests that Kafka 3.9.2 and 4.3.1 wrote, by API.
std::multimap<std::string, RequestRow> recorded_requests() {
  std::multimap<std::string, RequestRow> rows;
  for (const std::string file : {"messages-4.3.1.tsv.gz", "messages-3.9.2-extra.tsv.gz"}) {
    gzFile zipped = gzopen((kTestdata + file).c_str(), "rb");
    if (zipped == nullptr) throw std::runtime_error("cannot open " + file);
    std::string text;
    char buffer[65536];
    for (int size = 0; (size = gzread(zipped, buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<std::size_t>(size));
    gzclose(zipped);
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
      const std::vector<std::string> cells = cells_of(line);
      if (cells.size() < 6 || cells[1] != "request") continue;
      RequestRow row;
      const std::string api = cells[0].substr(0, cells[0].size() - std::string("Request").size());
      row.name = api + " v" + cells[3] + " " + cells[4] + " of " + file;
      row.version = static_cast<std::int16_t>(std::stoi(cells[3]));
      row.body = from_hex(cells[5]);
      rows.emplace(api, std::move(row));
    }
  }
  return rows;
}

// What `ours` says in the table of versions that real brokers advertise: API -> "first-last".
struct Proposal {
  std::string ours;
  std::string use;
};
std::map<std::string, Proposal> proposals() {
  std::map<std::string, Proposal> found;
  std::ifstream file(kTestdata + "api-versions.tsv");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> cells = cells_of(line);
    // An API that was given another name has both, the newer one last.
    if (!line.starts_with('#') && cells.size() >= 7) found[cells[1].substr(cells[1].rfind('/') + 1)] = {cells[5], cells[6]};
  }
  return found;
}

TEST(AdvertisedVersions, AreThoseOfTheTable) {
  const auto table = proposals();
  ASSERT_EQ(table.size(), 93u);
  std::set<std::string_view> served;
  for (const Api& api : served_apis()) {
    served.insert(api.name);
    const auto row = table.find(std::string(api.name));
    ASSERT_NE(row, table.end()) << api.name;
    EXPECT_EQ(std::to_string(api.version_min) + "-" + std::to_string(api.version_max), row->second.ours) << api.name;
  }
  // What isn't served yet, so that it isn't advertised. Whoever serves one of these takes it out here.
  const std::set<std::string_view> later = {
      // between brokers: this one follows none and leads none
      "LeaderAndIsr", "StopReplica", "UpdateMetadata", "AlterPartition", "Envelope",
      // delegation tokens, quotas, SCRAM
      "CreateDelegationToken",
      "RenewDelegationToken", "ExpireDelegationToken", "DescribeDelegationToken", "DescribeClientQuotas",
      "AlterClientQuotas", "DescribeUserScramCredentials", "AlterUserScramCredentials",
      // features
      "UpdateFeatures"};
  for (const auto& [name, proposal] : table) {
    if (served.contains(name) || proposal.use == "later" || proposal.use == "kraft-only") continue;
    EXPECT_TRUE(later.contains(name)) << name << " is neither served nor named as missing";
  }
  for (const std::string_view name : later) EXPECT_FALSE(served.contains(name)) << name << " is served";
}

TEST_F(EveryVersion, OfRecordedRequestsIsAnswered) {
  const auto rows = recorded_requests();
  std::size_t answered = 0;
  std::size_t silent = 0;
  for (const Api& api : served_apis()) {
    std::set<std::int16_t> seen;
    const auto [begin, end] = rows.equal_range(std::string(api.name));
    for (auto each = begin; each != end; ++each) {
      const RequestRow& row = each->second;
      if (row.version < api.version_min || row.version > api.version_max) continue;
      SCOPED_TRACE(row.name);
      seen.insert(row.version);
      base::Bytes frame = request_prefix(ApiKey{api.key}, row.version, 7, "test", row.body.size());
      frame.erase(frame.begin(), frame.begin() + kFrameSizeBytes);
      frame.insert(frame.end(), row.body.begin(), row.body.end());
      const Reply reply = broker.serve(std::move(frame));
      ASSERT_NE(reply.kind, Reply::Kind::close) << reply.close_reason.get();
      if (reply.kind == Reply::Kind::none) {
        // Only acks=0 has no answer, and an ACL with an UNKNOWN element, which closes the connection.
        EXPECT_TRUE(api.name == "Produce" || (api.name.ends_with("Acls") && reply.close_after));
        ++silent;
        continue;
      }
      ++answered;
      expect_answer_in_version(api, row.version, reply.message.to_bytes());
    }
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(api.version_max - api.version_min + 1)) << api.name;
  }
  EXPECT_GT(answered, 700u);
  EXPECT_GT(silent, 0u);
  std::printf("%zu requests answered, %zu without an answer\n", answered, silent);
}

}  // namespace
}  // namespace broker::api
