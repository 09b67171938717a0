// Quota accounting of the tree: /zookeeper/quota/<path>/zookeeper_stats is kept in memory with each change below
// <path>, without transactions of its own. Only the longest path with limits counts a change.
#include "zk/tree/quota.h"

#include <charconv>

#include "zk/tree/tree.h"

namespace zk::tree {

namespace {

constexpr std::string_view kLimitsName = "zookeeper_limits";
constexpr std::string_view kStatsName = "zookeeper_stats";

std::int64_t number_after(std::string_view text, std::string_view key) {
  std::size_t at = text.find(key);
  if (at == std::string_view::npos) return 0;
  std::int64_t value = 0;
  const char* from = text.data() + at + key.size();
  std::from_chars(from, text.data() + text.size(), value);
  return value;
}

// "/zookeeper/quota/a/b/zookeeper_limits" -> "/a/b"
std::string_view limited_path(std::string_view path) { return parent_of(path).substr(kQuota.size()); }

}  // namespace

std::string format_quota(const QuotaStats& stats) {
  return "count=" + std::to_string(stats.count) + ",bytes=" + std::to_string(stats.bytes);
}

QuotaStats parse_quota(std::string_view text) {
  return QuotaStats{number_after(text, "count="), number_after(text, "bytes=")};
}

QuotaLimits parse_quota_limits(std::string_view text) {
  QuotaLimits limits;
  while (!text.empty()) {
    std::size_t end = text.find_first_of(",;");
    std::string_view pair = text.substr(0, end);
    std::size_t equals = pair.find('=');
    std::int64_t value = -1;
    if (equals != std::string_view::npos) std::from_chars(pair.data() + equals + 1, pair.data() + pair.size(), value);
    std::string_view key = pair.substr(0, equals);
    if (key == "count") limits.count = value;
    if (key == "bytes") limits.bytes = value;
    if (key == "countHardLimit") limits.count_hard = value;
    if (key == "byteHardLimit") limits.bytes_hard = value;
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return limits;
}

std::optional<QuotaLimits> Tree::quota_limits(std::string_view limited) const {
  const Znode* node = find(std::string(kQuota) + std::string(limited) + "/" + std::string(kLimitsName));
  return node == nullptr ? std::nullopt : std::optional(parse_quota_limits(node->data.view()));
}

std::optional<QuotaStats> Tree::quota_stats(std::string_view limited) const {
  const Znode* node = find(std::string(kQuota) + std::string(limited) + "/" + std::string(kStatsName));
  return node == nullptr ? std::nullopt : std::optional(parse_quota(node->data.view()));
}

std::optional<QuotaExceeded> Tree::check_quota(std::string_view path, std::int64_t count, std::int64_t bytes) const {
  auto prefix = quota_prefix(path);
  if (!prefix) return std::nullopt;
  auto limits = quota_limits(*prefix);
  auto stats = quota_stats(*prefix);
  if (!limits || !stats) return std::nullopt;
  std::optional<QuotaExceeded> soft;
  auto check = [&](bool of_bytes, std::int64_t change, std::int64_t now, std::int64_t hard, std::int64_t lenient) {
    std::int64_t limit = hard > -1 ? hard : lenient;
    if (change == 0 || limit < 0 || now + change <= limit) return std::optional<QuotaExceeded>();
    return std::optional(
        QuotaExceeded{std::string(*prefix), std::string(path), of_bytes, hard > -1, now + change, limit});
  };
  for (auto exceeded : {check(false, count, stats->count, limits->count_hard, limits->count),
                        check(true, bytes, stats->bytes, limits->bytes_hard, limits->bytes)}) {
    if (exceeded && exceeded->hard) return exceeded;
    if (exceeded) soft = std::move(exceeded);
  }
  return soft;
}

std::optional<std::string_view> Tree::quota_prefix(std::string_view path) const {
  if (quotas_.empty() || path.starts_with("/zookeeper/")) return std::nullopt;
  for (std::string_view at = path; at != "/"; at = parent_of(at)) {
    auto found = quotas_.find(at);
    if (found != quotas_.end()) return *found;
  }
  return std::nullopt;
}

void Tree::quota_after_create(std::string_view path, std::int64_t bytes) {
  if (path.starts_with("/zookeeper/quota/")) {
    if (name_of(path) == kLimitsName) quotas_.emplace(limited_path(path));
    if (name_of(path) == kStatsName) recount_quota(limited_path(path));
    return;
  }
  quota_add(path, 1, bytes);
}

void Tree::quota_after_remove(std::string_view path, std::int64_t bytes) {
  if (path.starts_with("/zookeeper/quota/")) {
    if (name_of(path) == kLimitsName) quotas_.erase(std::string(limited_path(path)));
    return;
  }
  quota_add(path, -1, -bytes);
}

void Tree::quota_add(std::string_view path, std::int64_t count, std::int64_t bytes) {
  auto prefix = quota_prefix(path);
  if (!prefix || (count == 0 && bytes == 0)) return;
  std::string limited(*prefix);
  const Znode* stats = find(std::string(kQuota) + limited + "/" + std::string(kStatsName));
  if (stats == nullptr) return;
  QuotaStats now = parse_quota(stats->data.view());
  write_quota(limited, now.count + count, now.bytes + bytes);
}

void Tree::recount_quota(std::string_view path) {
  const Znode* top = find(path);
  QuotaStats stats;
  for (const Znode* node = top; node != nullptr;) {
    ++stats.count;
    stats.bytes += static_cast<std::int64_t>(node->data.view().size());
    if (node->first_child != nullptr) {
      node = node->first_child;
      continue;
    }
    while (node != top && node->next == nullptr) node = node->parent;
    node = node == top ? nullptr : node->next;
  }
  write_quota(path, stats.count, stats.bytes);
}

void Tree::write_quota(std::string_view path, std::int64_t count, std::int64_t bytes) {
  std::string stats_path = std::string(kQuota) + std::string(path) + "/" + std::string(kStatsName);
  Znode* node = find_node(stats_path);
  if (node == nullptr) return;
  before_change(node);
  set_content(node, stats_path, format_quota(QuotaStats{count, bytes}));
  after_change(node);
}

}  // namespace zk::tree
