#include "zk/tree/tree.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "zk/tree/digest.h"

namespace zk::tree {

namespace {

constexpr std::size_t kTableSizeMin = 64;

// For a large table that is probed all over: most probes would miss the processor's table of pages, too. Only a hint.
void advise_huge_pages(void* memory, std::size_t bytes) {
  constexpr std::size_t kPage = 4096, kHugePage = 2 * 1024 * 1024;
  if (bytes < kHugePage) return;
  const std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(memory) + kPage - 1) / kPage * kPage;
  const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(memory) + bytes) / kPage * kPage;
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

std::optional<std::string_view> view_of(const Data& data) {
  return data ? std::optional<std::string_view>(*data) : std::nullopt;
}

// Whether the path's last element is a name below parent_of(path). Paths of logs and snapshots weren't checked as a
// client's are; in "//x", x would otherwise become a child of the root that no lookup of "//x" finds.
bool ends_in_a_name(std::string_view path) {
  return path.size() > 1 && path.front() == '/' && path.back() != '/' && !path.starts_with("//");
}

}  // namespace

Tree::Tree() {
  clear();
  attach(root_, {kZookeeper, ""});
  finish_load();
}

Tree::~Tree() { delete_all(); }

void Tree::delete_all() {
  // Children first, in the order of the tree, which is about that in memory.
  for (Znode* node = root_; node != nullptr;) {
    if (Znode* child = std::exchange(node->first_child, nullptr)) {
      node = child;
      continue;
    }
    Znode* following = node->next != nullptr ? node->next : node->parent;
    znodes_.destroy(node);
    node = following;
  }
  znodes_.clear();
  table_.clear();
  root_ = nullptr;
}

void Tree::clear() {
  delete_all();
  abandon_snapshot();
  acls_ = AclCache();
  ephemerals_.clear();
  swept_.clear();
  quotas_.clear();
  has_missing_acls_ = false;
  loading_below_ = nullptr;
  table_.assign(kTableSizeMin, ZnodeSlot());
  digest_ = 0;
  data_bytes_ = 0;
  node_count_ = 1;
  root_ = znodes_.make();
  root_->data = NodeContent("", "");
  root_->content_crc = content_crc("/", "");
  root_->snapshot_mark = snapshot_mark_;
  after_change(root_);
}

// Lookup ------------------------------------------------------------------------------------------------------------

std::uint32_t Tree::child_hash(const Znode* parent, std::string_view name) {
  std::uint64_t hash = hash_of(name);
  hash ^= (reinterpret_cast<std::uintptr_t>(parent) >> 4) * 0x9e3779b97f4a7c15ULL;
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

Znode* Tree::find_child(const Znode* parent, std::string_view name, std::uint32_t hash) const {
  std::size_t mask = table_.size() - 1;
  for (std::size_t slot = hash & mask; !table_[slot].is_empty(); slot = (slot + 1) & mask) {
    if (!table_[slot].may_have(hash)) continue;
    Znode* node = table_[slot].node();
    if (node->name_hash == hash && node->parent == parent && node->name() == name) return node;
  }
  return nullptr;
}

Znode* Tree::find_node(std::string_view path) const {
  if (path.empty() || path == "/") return root_;
  if (path.front() != '/') return nullptr;
  Znode* node = root_;
  for (std::size_t start = 1;;) {
    std::size_t slash = path.find('/', start);
    node = find_child(node, path.substr(start, slash == std::string_view::npos ? slash : slash - start));
    if (node == nullptr || slash == std::string_view::npos) return node;
    start = slash + 1;
  }
}

const Znode* Tree::find(std::string_view path) const { return find_node(path); }

std::string Tree::path_of(const Znode& node) const {
  if (&node == root_) return "/";
  std::size_t size = 0;
  for (const Znode* at = &node; at != root_; at = at->parent) size += at->name().size() + 1;
  std::string path(size, '/');
  for (const Znode* at = &node; at != root_; at = at->parent) {
    size -= at->name().size();
    std::copy(at->name().begin(), at->name().end(), path.begin() + static_cast<std::ptrdiff_t>(size));
    --size;
  }
  return path;
}

Stat Tree::stat_of(const Znode& node) const {
  const StatPersisted& from = node.stat;
  Stat stat;
  stat.czxid = from.czxid;
  stat.mzxid = from.mzxid;
  stat.ctime = from.ctime;
  stat.mtime = from.mtime;
  stat.version = from.version;
  // Java's int arithmetic wraps.
  stat.cversion = static_cast<std::int32_t>(static_cast<std::uint32_t>(from.cversion) * 2U -
                                            static_cast<std::uint32_t>(node.child_count));
  stat.aversion = from.aversion;
  stat.ephemeral_owner = kind_of_owner(from.ephemeral_owner) == NodeKind::ephemeral ? from.ephemeral_owner : 0;
  stat.data_length = static_cast<std::int32_t>(node.data.view().size());
  stat.num_children = node.child_count;
  stat.pzxid = from.pzxid;
  return stat;
}

std::vector<std::string_view> Tree::children_of(const Znode& node) const {
  std::vector<std::string_view> names;
  names.reserve(static_cast<std::size_t>(node.child_count));
  for (const Znode* child = node.first_child; child != nullptr; child = child->next) names.push_back(child->name());
  std::reverse(names.begin(), names.end());
  return names;
}

std::int64_t Tree::descendant_count(const Znode& node) const {
  std::int64_t count = 0;
  for (const Znode* at = &node;;) {
    if (at->first_child != nullptr) {
      at = at->first_child;
    } else {
      while (at != &node && at->next == nullptr) at = at->parent;
      if (at == &node) return count;
      at = at->next;
    }
    ++count;
  }
}

std::vector<std::string> Tree::ephemerals_of(std::int64_t session_id) const {
  std::vector<std::string> paths;
  auto entry = ephemerals_.find(session_id);
  if (entry == ephemerals_.end()) return paths;
  for (const Znode* node : entry->second) paths.push_back(path_of(*node));
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::map<std::int64_t, std::vector<std::string>> Tree::ephemerals() const {
  std::map<std::int64_t, std::vector<std::string>> all;
  for (const auto& [session_id, nodes] : ephemerals_) all.emplace(session_id, ephemerals_of(session_id));
  return all;
}

std::size_t Tree::ephemeral_count() const {
  std::size_t count = 0;
  for (const auto& [session_id, nodes] : ephemerals_) count += nodes.size();
  return count;
}

// The table -----------------------------------------------------------------------------------------------------------

void Tree::place(Znode* node) {
  std::size_t mask = table_.size() - 1;
  std::size_t slot = node->name_hash & mask;
  while (!table_[slot].is_empty()) slot = (slot + 1) & mask;
  table_[slot] = ZnodeSlot(node);
}

void Tree::grow_table() {
  const std::size_t size = table_.size() * 2;
  std::vector<ZnodeSlot> old;
  old.reserve(size);
  advise_huge_pages(old.data(), size * sizeof(ZnodeSlot));
  old.resize(size);
  old.swap(table_);
  for (ZnodeSlot slot : old) {
    if (!slot.is_empty()) place(slot.node());
  }
}

Znode* Tree::attach(Znode* parent, const Attached& attached, std::uint32_t name_hash, const std::optional<KnownDigests>& known) {
  if ((node_count_ + 1) * 4 > table_.size() * 3) grow_table();
  Znode* node = znodes_.make();
  node->parent = parent;
  node->name_hash = name_hash;
  node->stat = attached.stat;
  node->acl_id = attached.acl_id;
  node->snapshot_mark = snapshot_mark_;
  node->in_digest = counts_in_digest(attached.path);
  node->next = parent->first_child;
  if (node->next != nullptr) node->next->previous = node;
  parent->first_child = node;
  ++parent->child_count;
  ++node_count_;
  data_bytes_ += static_cast<std::int64_t>(attached.path.size());
  place(node);
  set_content(node, attached.path, attached.data, known);
  after_change(node, known ? known->digest : digest_of(*node));
  register_owner(node);
  return node;
}

void Tree::detach(Znode* node, std::string_view path) {
  if (snapshot_next_ == node) snapshot_next_ = next_in_order(node);
  if (snapshot_below_ == node) snapshot_below_ = nullptr;
  unregister_owner(node);
  if (node->previous != nullptr) node->previous->next = node->next;
  if (node->next != nullptr) node->next->previous = node->previous;
  if (node->parent->first_child == node) node->parent->first_child = node->next;
  --node->parent->child_count;
  --node_count_;
  data_bytes_ -= static_cast<std::int64_t>(path.size() + node->data.view().size());
  digest_ -= node->digest;
  acls_.release(node->acl_id);

  // Linear probing without tombstones: those behind the hole that may fill it move up.
  std::size_t mask = table_.size() - 1;
  std::size_t hole = node->name_hash & mask;
  while (table_[hole].node() != node) hole = (hole + 1) & mask;
  for (std::size_t slot = (hole + 1) & mask; !table_[slot].is_empty(); slot = (slot + 1) & mask) {
    std::size_t home = table_[slot].node()->name_hash & mask;
    if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
    table_[hole] = table_[slot];
    hole = slot;
  }
  table_[hole] = ZnodeSlot();
  znodes_.destroy(node);
}

void Tree::set_content(Znode* node, std::string_view path, std::optional<std::string_view> data,
                       const std::optional<KnownDigests>& known) {
  data_bytes_ -= static_cast<std::int64_t>(node->data.view().size());
  node->data = NodeContent(node == root_ ? std::string_view() : name_of(path), data);
  data_bytes_ += static_cast<std::int64_t>(node->data.view().size());
  node->content_crc = known ? known->content_crc : content_crc(path, node->data.view());
}

void Tree::before_change(Znode* node) {
  if (snapshot_sink_ && node->snapshot_mark != snapshot_mark_) hand_over(node);
}

std::uint32_t Tree::digest_of(const Znode& node) {
  return node.in_digest ? znode_digest(node.content_crc, node.stat) : 0;
}

void Tree::after_change(Znode* node, std::uint32_t digest) {
  digest_ -= node->digest;
  node->digest = digest;
  digest_ += digest;
}

void Tree::register_owner(Znode* node) {
  switch (kind_of_owner(node->stat.ephemeral_owner)) {
    case NodeKind::persistent:
      return;
    case NodeKind::ephemeral:
      ephemerals_[node->stat.ephemeral_owner].insert(node);
      return;
    case NodeKind::container:
    case NodeKind::ttl:
      swept_.insert(node);
      return;
  }
}

void Tree::unregister_owner(Znode* node) {
  swept_.erase(node);
  auto entry = ephemerals_.find(node->stat.ephemeral_owner);
  if (entry == ephemerals_.end()) return;
  entry->second.erase(node);
  if (entry->second.empty()) ephemerals_.erase(entry);
}

// Changes -------------------------------------------------------------------------------------------------------------

Error Tree::create(const CreateTxn& txn, std::int64_t owner, std::int64_t zxid, std::int64_t time_ms,
                   const Znode** made) {
  std::string_view path = txn.path;
  if (path != "/" && !ends_in_a_name(path)) return Error::bad_arguments;
  Znode* parent = find_node(parent_of(path));
  if (parent == nullptr) return Error::no_node;
  std::int32_t cversion = txn.parent_cversion;
  if (cversion == -1) {
    cversion = static_cast<std::int32_t>(static_cast<std::uint32_t>(parent->stat.cversion) + 1U);
  }
  // A list without entries is what servers took for the open one.
  const auto acl_id = [&] { return txn.acl.is_open() || (*txn.acl).empty() ? AclCache::kOpenId : acls_.acquire(*txn.acl); };
  const std::uint32_t hash = child_hash(parent, name_of(path));
  Znode* there = path == "/" ? root_ : find_child(parent, name_of(path), hash);
  if (there != nullptr) {
    if (there->acl_id == AclCache::kMissingId) there->acl_id = acl_id();
    adjust_parent(path, cversion, zxid);
    return Error::node_exists;
  }
  before_change(parent);
  // A replayed create of a child that is gone again must not turn the parent's counters back. The counter itself wraps.
  const bool is_new = cversion > parent->stat.cversion || cversion == INT32_MIN;
  if (is_new) {
    parent->stat.cversion = cversion;
    parent->stat.pzxid = zxid;
  }
  after_change(parent, is_new && txn.known && txn.known->parent_digest ? *txn.known->parent_digest : digest_of(*parent));

  const Attached attached{path, view_of(txn.data), acl_id(), stat_of_created(owner, zxid, time_ms)};
  const Znode* node = attach(parent, attached, hash, txn.known);
  if (made != nullptr) *made = node;
  quota_after_create(path, static_cast<std::int64_t>(txn.data ? txn.data->size() : 0));
  return Error::ok;
}

void Tree::adjust_parent(std::string_view path, std::int32_t cversion, std::int64_t zxid) {
  Znode* parent = find_node(parent_of(path));
  if (parent == nullptr) return;
  before_change(parent);
  parent->stat.cversion = std::max(parent->stat.cversion, cversion);
  parent->stat.pzxid = std::max(parent->stat.pzxid, zxid);
  after_change(parent);
}

Error Tree::remove(std::string_view path, std::int64_t zxid) {
  if (!ends_in_a_name(path)) return Error::bad_arguments;
  Znode* parent = find_node(parent_of(path));
  if (parent == nullptr) return Error::no_node;
  before_change(parent);
  parent->stat.pzxid = std::max(parent->stat.pzxid, zxid);
  after_change(parent);
  Znode* node = find_child(parent, name_of(path));
  if (node == nullptr) return Error::no_node;
  if (node->first_child != nullptr) return Error::not_empty;
  auto bytes = static_cast<std::int64_t>(node->data.view().size());
  before_change(node);
  detach(node, path);
  quota_after_remove(path, bytes);
  return Error::ok;
}

Error Tree::set_data(const SetDataTxn& txn, std::int64_t zxid, std::int64_t time_ms, const Znode** changed) {
  Znode* node = find_node(txn.path);
  if (node == nullptr) return Error::no_node;
  auto before = static_cast<std::int64_t>(node->data.view().size());
  before_change(node);
  set_content(node, txn.path, view_of(txn.data), txn.known);
  node->stat.mzxid = zxid;
  node->stat.mtime = time_ms;
  node->stat.version = txn.version;
  after_change(node, txn.known ? txn.known->digest : digest_of(*node));
  if (changed != nullptr) *changed = node;
  quota_add(txn.path, 0, static_cast<std::int64_t>(node->data.view().size()) - before);
  return Error::ok;
}

Error Tree::set_acl(std::string_view path, const AclList& acl, std::int32_t version) {
  Znode* node = find_node(path);
  if (node == nullptr) return Error::no_node;
  before_change(node);
  std::int64_t acl_id = acls_.acquire(acl);
  acls_.release(node->acl_id);
  node->acl_id = acl_id;
  node->stat.aversion = version;
  after_change(node);
  return Error::ok;
}

// Loading -------------------------------------------------------------------------------------------------------------

Znode* Tree::find_parent_to_load(std::string_view path) {
  if (!ends_in_a_name(path)) return nullptr;
  std::string_view parent_path = parent_of(path);
  if (loading_below_ == nullptr || loading_below_path_ != parent_path) {
    loading_below_ = find_node(parent_path);
    loading_below_path_ = parent_path;
  }
  return loading_below_;
}

bool Tree::load(std::string_view path, std::optional<std::string_view> data, std::int64_t acl_id,
                const StatPersisted& stat) {
  if (!acls_.retain(acl_id)) {
    acl_id = AclCache::kMissingId;
    has_missing_acls_ = true;
  }
  if (path.empty()) {
    root_->stat = stat;
    root_->acl_id = acl_id;
    set_content(root_, "/", data);
    after_change(root_);
  } else {
    Znode* parent = find_parent_to_load(path);
    if (parent == nullptr) return false;
    const std::uint32_t hash = child_hash(parent, name_of(path));
    if (find_child(parent, name_of(path), hash) != nullptr) return false;
    attach(parent, {path, data, acl_id, stat}, hash, std::nullopt);
    constexpr std::string_view kLimits = "/zookeeper_limits";
    if (path.starts_with("/zookeeper/quota/") && path.ends_with(kLimits)) {
      quotas_.emplace(path.substr(kQuota.size(), path.size() - kQuota.size() - kLimits.size()));
    }
  }
  return true;
}

void Tree::finish_load() {
  loading_below_ = nullptr;
  acls_.drop_unused();
  // Older servers' snapshots may lack these.
  for (std::string_view path : {kZookeeper, kQuota}) {
    if (find_node(path) == nullptr) {
      attach(find_node(parent_of(path)), {path, std::string_view()});
    }
  }
  if (find_node(kConfig) == nullptr) {
    StatPersisted stat;
    stat.aversion = -1;
    AclList read_only{AclEntry{kRead, Identity{"world", "anyone"}}};
    attach(find_node(kZookeeper), {kConfig, std::string_view(), acls_.acquire(read_only), stat});
  }
  for (const std::string& path : quotas_) recount_quota(path);
}

std::optional<std::string> Tree::path_without_acl() const {
  if (!has_missing_acls_) return std::nullopt;
  for (const Znode* node = root_; node != nullptr; node = next_in_order(node)) {
    if (node->acl_id == AclCache::kMissingId) return path_of(*node);
  }
  return std::nullopt;
}

}  // namespace zk::tree
