// The znodes: lookup, the four changes, Stats, digest, quota counters, the sets of ephemerals, containers and TTL
// nodes. Changes are those of transactions already decided; on replay over a fuzzy snapshot they may meet a tree that
// has them, so they answer an error and still lift the parent's counters. Pure state: one thread, no clock, no I/O.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "zk/tree/acl.h"
#include "zk/tree/path.h"
#include "zk/tree/quota.h"
#include "zk/tree/txn.h"
#include "zk/tree/znode_pool.h"

namespace zk::tree {

class Tree {
 public:
  Tree();  // with /, /zookeeper, /zookeeper/quota and /zookeeper/config
  ~Tree();
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  // "" and "/" are the root. Null for anything that isn't there, malformed paths included.
  const Znode* find(std::string_view path) const;
  std::string path_of(const Znode& node) const;
  Stat stat_of(const Znode& node) const;
  const SharedAcl& acl_of(const Znode& node) const { return acls_.find(node.acl_id); }
  std::vector<std::string_view> children_of(const Znode& node) const;  // in order of creation
  std::int64_t descendant_count(const Znode& node) const;              // without itself
  const Znode* root() const { return root_; }

  // `made`, `changed`: where the znode goes, if there is one.
  Error create(const CreateTxn& txn, std::int64_t owner, std::int64_t zxid, std::int64_t time_ms,
               const Znode** made = nullptr);
  Error remove(std::string_view path, std::int64_t zxid);
  Error set_data(const SetDataTxn& txn, std::int64_t zxid, std::int64_t time_ms, const Znode** changed = nullptr);
  Error set_acl(std::string_view path, const AclList& acl, std::int32_t version);

  std::size_t node_count() const { return node_count_; }
  std::int64_t data_bytes() const { return data_bytes_; }  // paths and data
  std::uint64_t digest() const { return digest_; }
  std::vector<std::string> ephemerals_of(std::int64_t session_id) const;  // sorted
  std::map<std::int64_t, std::vector<std::string>> ephemerals() const;
  std::size_t ephemeral_count() const;
  const std::unordered_set<const Znode*>& containers_and_ttls() const { return swept_; }

  // Limits under /zookeeper/quota: the limited paths, what is limited and used there, and whether a change of a znode
  // at `path` by so much goes beyond them.
  const std::set<std::string, std::less<>>& limited_paths() const { return quotas_; }
  std::optional<QuotaLimits> quota_limits(std::string_view limited) const;
  std::optional<QuotaStats> quota_stats(std::string_view limited) const;
  std::optional<QuotaExceeded> check_quota(std::string_view path, std::int64_t count, std::int64_t bytes) const;

  // Loading a snapshot: clear, ACL lists, znodes (parents first), then finish. A false answer: no parent, or a second one.
  // ZooKeeper writes the lists first, so that one of a znode made meanwhile isn't there: the replay of the create or of the
  // setACL brings it. A znode that still lacks its list then must not be served.
  void clear();
  AclCache& acls() { return acls_; }
  const AclCache& acls() const { return acls_; }
  bool load(std::string_view path, std::optional<std::string_view> data, std::int64_t acl_id,
            const StatPersisted& stat);
  void finish_load();
  std::optional<std::string> path_without_acl() const;

  // A snapshot of the state at this moment while changes go on: every znode is handed to the sink once, as it is now,
  // parents before children. A znode about to change is handed over first. step() returns true when all are done.
  using SnapshotSink = std::function<void(std::string_view path, const Znode& node)>;
  void begin_snapshot(SnapshotSink sink);
  bool step_snapshot(std::size_t nodes);
  void abandon_snapshot();

 private:
  Znode* find_node(std::string_view path) const;
  Znode* find_child(const Znode* parent, std::string_view name) const {
    return find_child(parent, name, child_hash(parent, name));
  }
  Znode* find_child(const Znode* parent, std::string_view name, std::uint32_t hash) const;
  static std::uint32_t child_hash(const Znode* parent, std::string_view name);
  Znode* find_parent_to_load(std::string_view path);
  struct Attached {
    std::string_view path;
    std::optional<std::string_view> data;
    std::int64_t acl_id = AclCache::kOpenId;
    StatPersisted stat = {};
  };
  Znode* attach(Znode* parent, const Attached& attached, std::uint32_t name_hash, const std::optional<KnownDigests>& known);
  Znode* attach(Znode* parent, const Attached& attached) {
    return attach(parent, attached, child_hash(parent, name_of(attached.path)), std::nullopt);
  }
  void detach(Znode* node, std::string_view path);
  void place(Znode* node);
  void grow_table();
  void before_change(Znode* node);
  // Brings the digest up to date.
  void after_change(Znode* node) { after_change(node, digest_of(*node)); }
  void after_change(Znode* node, std::uint32_t digest);
  static std::uint32_t digest_of(const Znode& node);
  void set_content(Znode* node, std::string_view path, std::optional<std::string_view> data,
                   const std::optional<KnownDigests>& known = std::nullopt);
  void adjust_parent(std::string_view path, std::int32_t cversion, std::int64_t zxid);
  void register_owner(Znode* node);
  void unregister_owner(Znode* node);
  void delete_all();

  void quota_after_create(std::string_view path, std::int64_t bytes);
  void quota_after_remove(std::string_view path, std::int64_t bytes);
  void quota_add(std::string_view path, std::int64_t count, std::int64_t bytes);
  void recount_quota(std::string_view path);
  void write_quota(std::string_view path, std::int64_t count, std::int64_t bytes);
  std::optional<std::string_view> quota_prefix(std::string_view path) const;

  void hand_over(Znode* node);  // and its ancestors, before it, that weren't yet
  void hand_over_alone(Znode* node);
  static Znode* next_in_order(const Znode* node);

  ZnodePool znodes_;
  Znode* root_ = nullptr;
  std::vector<ZnodeSlot> table_;  // open addressing by (parent, name)
  std::size_t node_count_ = 0;
  std::int64_t data_bytes_ = 0;
  std::uint64_t digest_ = 0;
  AclCache acls_;
  std::unordered_map<std::int64_t, std::unordered_set<const Znode*>> ephemerals_;
  std::unordered_set<const Znode*> swept_;
  std::set<std::string, std::less<>> quotas_;  // paths with limits
  // While loading: the last znode's parent, as siblings mostly follow each other.
  Znode* loading_below_ = nullptr;
  std::string loading_below_path_;
  bool has_missing_acls_ = false;  // or had some

  SnapshotSink snapshot_sink_;
  Znode* snapshot_next_ = nullptr;
  std::uint8_t snapshot_mark_ = 0;
  // The parent of the znode handed over last, and its path with a slash behind: siblings follow each other.
  const Znode* snapshot_below_ = nullptr;
  std::string snapshot_path_;
};

}  // namespace zk::tree
