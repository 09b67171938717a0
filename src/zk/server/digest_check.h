// Whether a tree that is being loaded is the one that was written: compares its digest with those that the snapshot and the
// log name, where they hold. ZooKeeper's snapshots are fuzzy: written while it served, they hold what was changed
// meanwhile, too, so that the tree is one that ever was only once the log has been replayed beyond that. Pure state,
// one thread.
//
// S is the zxid in the snapshot's name, read before its znodes; D that of its digest and L its last one, read behind them.
// - The znodes may hold what D + 1 changed, if that was being applied at that moment; nothing later. So the log's digests
//   hold for every zxid above S, D and L.
// - Without D and L (3.5; 3.6 to 3.8 before their first transaction) nobody knows where the fuzziness ends: the log's
//   digests hold from the first one that fits.
// - The snapshot's own digest holds at D, unless D + 1 is in the tree already. So if it doesn't fit there, the digests
//   that follow decide; if nothing follows, the snapshot is damaged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "zk/server/snapshot.h"
#include "zk/tree/txn.h"

namespace zk::server {

class DigestCheck {
 public:
  // The tree has been read from the snapshot; the digest is the tree's.
  DigestCheck(std::int64_t snapshot_zxid, const SnapshotInfo& info, std::uint64_t tree_digest);

  // The tree holds this transaction now. Returns why it can't be the right tree; nothing if it may be.
  std::optional<std::string> after(const tree::Txn& txn, std::uint64_t tree_digest);
  // After the last transaction: the same, of the snapshot or of the last transaction.
  std::optional<std::string> snapshot_refusal() const;
  std::optional<std::string> log_refusal() const;
  // Digests that didn't fit, as they may with a fuzzy snapshot.
  std::uint64_t mismatches() const { return mismatches_; }

 private:
  void check_snapshot(std::int64_t zxid, std::uint64_t tree_digest);

  SnapshotInfo info_;
  std::int64_t fuzzy_until_ = 0;
  bool end_is_known_ = false;             // of the fuzziness
  std::optional<std::string> suspicion_;  // of the snapshot, by its own digest
  std::optional<std::string> open_;       // the last digest of the log didn't fit, and may not have to
  bool changed_since_ = false;            // something followed the snapshot's digest
  std::uint64_t mismatches_ = 0;
};

}  // namespace zk::server
