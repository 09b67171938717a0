#include "zk/server/digest_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace zk::server {

namespace {

std::string text_of(std::int64_t zxid, std::uint64_t is, std::uint64_t should_be, const char* source) {
  return fmt::format("after transaction 0x{:x} the tree's digest is {:x}, the {} says {:x}", zxid, is, source, should_be);
}

}  // namespace

DigestCheck::DigestCheck(std::int64_t snapshot_zxid, const SnapshotInfo& info, std::uint64_t tree_digest)
    : info_(info),
      fuzzy_until_(std::max({snapshot_zxid, info.digest_zxid, info.last_zxid})),
      end_is_known_(info.digest_zxid > 0 || info.last_zxid >= 0) {
  check_snapshot(snapshot_zxid, tree_digest);
}

// Zxid 0 is what ZooKeeper writes when it has no digest yet.
void DigestCheck::check_snapshot(std::int64_t zxid, std::uint64_t tree_digest) {
  if (info_.digest_zxid <= 0 || zxid != info_.digest_zxid) return;
  changed_since_ = false;
  if (tree_digest == info_.digest) return;
  suspicion_ = text_of(zxid, tree_digest, info_.digest, "snapshot");
  ++mismatches_;
}

std::optional<std::string> DigestCheck::after(const tree::Txn& txn, std::uint64_t tree_digest) {
  if (!std::holds_alternative<tree::ErrorTxn>(txn.body)) {
    changed_since_ = true;
    open_.reset();
  }
  if (txn.digest && *txn.digest == tree_digest) {
    // The whole tree is right, whatever it was before.
    end_is_known_ = end_is_known_ || txn.zxid > fuzzy_until_;
    suspicion_.reset();
  } else if (txn.digest && txn.zxid > fuzzy_until_) {
    std::string reason = text_of(txn.zxid, tree_digest, *txn.digest, "log");
    if (end_is_known_) return reason;
    open_ = std::move(reason);
    ++mismatches_;
  }
  check_snapshot(txn.zxid, tree_digest);
  return std::nullopt;
}

std::optional<std::string> DigestCheck::snapshot_refusal() const {
  return changed_since_ ? std::nullopt : suspicion_;
}

// What the snapshot holds is in the log, so behind its last transaction nothing is fuzzy.
std::optional<std::string> DigestCheck::log_refusal() const { return open_; }

}  // namespace zk::server
