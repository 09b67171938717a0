#include "base/memory_file_system.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>

namespace base {
namespace {

constexpr std::size_t kPageBytes = 4096;

[[noreturn]] void fail(const char* operation, const std::string& path, int error) {
  throw std::system_error(error, std::generic_category(), std::string(operation) + " " + path);
}

// The names of a path, one after the other; tests look millions of paths up.
class Parts {
 public:
  explicit Parts(std::string_view path) : rest_(path) {}
  std::optional<std::string_view> next() {
    while (!rest_.empty()) {
      const std::size_t end = std::min(rest_.find('/'), rest_.size());
      const std::string_view part = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      if (!part.empty() && part != ".") return part;
    }
    return std::nullopt;
  }

 private:
  std::string_view rest_;
};

std::string last_part_of(std::string_view path) {
  std::string_view last;
  Parts parts(path);
  while (const auto part = parts.next()) last = *part;
  return std::string(last);
}

}  // namespace

struct MemoryFileSystem::Node {
  bool is_directory = false;
  bool locked = false;
  Bytes bytes;
  Bytes synced_bytes;
  std::map<std::string, NodePointer, std::less<>> entries;
  std::map<std::string, NodePointer, std::less<>> synced_entries;
  std::int64_t modified_ms = 0;
};

class MemoryFileSystem::OpenFile final : public File {
 public:
  OpenFile(std::shared_ptr<Shared> shared, NodePointer node, bool writable, std::string path, bool holds_lock = false)
      : shared_(std::move(shared)),
        node_(std::move(node)),
        writable_(writable),
        path_(std::move(path)),
        holds_lock_(holds_lock) {}
  ~OpenFile() override {
    std::lock_guard lock(shared_->mutex);
    if (holds_lock_) node_->locked = false;
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  std::size_t read_at(std::uint64_t position, MutableByteView into) const override {
    std::lock_guard lock(shared_->mutex);
    if (position >= node_->bytes.size()) return 0;
    std::size_t count = std::min<std::size_t>(into.size(), node_->bytes.size() - position);
    std::copy_n(node_->bytes.data() + position, count, into.data());
    return count;
  }
  void write_at(std::uint64_t position, ByteView bytes) override {
    std::lock_guard lock(shared_->mutex);
    require_writable("write");
    if (position + bytes.size() > node_->bytes.size()) node_->bytes.resize(position + bytes.size());
    std::copy(bytes.begin(), bytes.end(), node_->bytes.data() + position);
    node_->modified_ms = shared_->now_ms;
  }
  void truncate(std::uint64_t size) override {
    std::lock_guard lock(shared_->mutex);
    require_writable("truncate");
    node_->bytes.resize(size);
    node_->modified_ms = shared_->now_ms;
  }
  void allocate(std::uint64_t size) override {
    std::lock_guard lock(shared_->mutex);
    require_writable("allocate");
    if (size > node_->bytes.size()) node_->bytes.resize(size);
  }
  std::uint64_t size() const override {
    std::lock_guard lock(shared_->mutex);
    return node_->bytes.size();
  }
  void sync() override {
    std::lock_guard lock(shared_->mutex);
    node_->synced_bytes = node_->bytes;
  }
  void sync_file_system() override {
    std::lock_guard lock(shared_->mutex);
    shared_->sync_everything();
  }

 private:
  void require_writable(const char* operation) const {
    if (!writable_) fail(operation, path_, EBADF);
  }

  std::shared_ptr<Shared> shared_;
  NodePointer node_;
  bool writable_;
  std::string path_;
  bool holds_lock_;
};

MemoryFileSystem::MemoryFileSystem() : shared_(std::make_shared<Shared>()), root_(std::make_shared<Node>()) {
  root_->is_directory = true;
  shared_->sync_everything = [this] { mark_synced(*root_); };
}
MemoryFileSystem::~MemoryFileSystem() {
  std::lock_guard lock(shared_->mutex);
  shared_->sync_everything = [] {};
}

void MemoryFileSystem::set_now_ms(std::int64_t now_ms) {
  std::lock_guard lock(shared_->mutex);
  shared_->now_ms = now_ms;
}

MemoryFileSystem::NodePointer MemoryFileSystem::after_power_loss(const Node& node, UnsyncedBytes unsynced,
                                                                UnsyncedNames names, std::uint64_t& seed) {
  auto left = std::make_shared<Node>();
  left->is_directory = node.is_directory;
  left->modified_ms = node.modified_ms;
  if (unsynced == UnsyncedBytes::kept) {
    left->bytes = node.bytes;
  } else if (unsynced == UnsyncedBytes::scattered) {
    left->bytes = node.bytes;
    for (std::size_t from = 0; from < left->bytes.size(); from += kPageBytes) {
      seed = seed * 6364136223846793005U + 1442695040888963407U;
      if (seed >> 63 != 0) continue;  // written in time
      const std::size_t to = std::min(from + kPageBytes, left->bytes.size());
      for (std::size_t at = from; at < to; ++at) left->bytes[at] = at < node.synced_bytes.size() ? node.synced_bytes[at] : 0;
    }
  } else {
    left->bytes = node.synced_bytes;
    std::size_t growth = node.bytes.size() > left->bytes.size() ? node.bytes.size() - left->bytes.size() : 0;
    if (unsynced == UnsyncedBytes::zeroed) left->bytes.resize(left->bytes.size() + growth);
    if (unsynced == UnsyncedBytes::torn) {
      auto begin = node.bytes.begin() + static_cast<std::ptrdiff_t>(left->bytes.size());
      left->bytes.insert(left->bytes.end(), begin, begin + static_cast<std::ptrdiff_t>(growth / 2));
    }
  }
  left->synced_bytes = left->bytes;
  const bool all = unsynced == UnsyncedBytes::kept || names == UnsyncedNames::kept;
  const auto& entries = all ? node.entries : node.synced_entries;
  for (const auto& [name, child] : entries) left->entries[name] = after_power_loss(*child, unsynced, names, seed);
  left->synced_entries = left->entries;
  return left;
}

void MemoryFileSystem::lose_power(UnsyncedBytes unsynced, UnsyncedNames names, std::uint64_t seed) {
  std::lock_guard lock(shared_->mutex);
  root_ = after_power_loss(*root_, unsynced, names, seed);
}

void MemoryFileSystem::mark_synced(Node& node) {
  node.synced_bytes = node.bytes;
  node.synced_entries = node.entries;
  for (auto& [name, child] : node.entries) mark_synced(*child);
}

void MemoryFileSystem::sync_everything() {
  std::lock_guard lock(shared_->mutex);
  mark_synced(*root_);
}

MemoryFileSystem::NodePointer MemoryFileSystem::find(const std::string& path) const {
  const NodePointer* node = &root_;
  Parts parts(path);
  while (const auto part = parts.next()) {
    const auto found = (*node)->entries.find(*part);
    if (found == (*node)->entries.end()) return nullptr;
    node = &found->second;
  }
  return *node;
}

MemoryFileSystem::NodePointer MemoryFileSystem::find_or_fail(const char* operation, const std::string& path) const {
  NodePointer node = find(path);
  if (!node) fail(operation, path, ENOENT);
  return node;
}

MemoryFileSystem::NodePointer MemoryFileSystem::parent_or_fail(const char* operation, const std::string& path) const {
  NodePointer node = find(parent_directory(path));
  if (!node) fail(operation, path, ENOENT);
  if (!node->is_directory) fail(operation, path, ENOTDIR);
  return node;
}

std::unique_ptr<File> MemoryFileSystem::open(const std::string& path, OpenMode mode) {
  std::lock_guard lock(shared_->mutex);
  NodePointer node = find(path);
  if (!node) {
    if (mode != OpenMode::create) fail("open", path, ENOENT);
    node = std::make_shared<Node>();
    node->modified_ms = shared_->now_ms;
    parent_or_fail("open", path)->entries[last_part_of(path)] = node;
  }
  if (node->is_directory) fail("open", path, EISDIR);
  return std::make_unique<OpenFile>(shared_, node, mode != OpenMode::read, path);
}

bool MemoryFileSystem::exists(const std::string& path) {
  std::lock_guard lock(shared_->mutex);
  return find(path) != nullptr;
}

FileInfo MemoryFileSystem::info(const std::string& path) {
  std::lock_guard lock(shared_->mutex);
  NodePointer node = find_or_fail("stat", path);
  FileInfo info;
  info.is_directory = node->is_directory;
  info.size = node->bytes.size();
  info.modified_ms = node->modified_ms;
  return info;
}

std::vector<std::string> MemoryFileSystem::list(const std::string& directory) {
  std::lock_guard lock(shared_->mutex);
  NodePointer node = find_or_fail("list", directory);
  if (!node->is_directory) fail("list", directory, ENOTDIR);
  std::vector<std::string> names;
  for (const auto& [name, child] : node->entries) names.push_back(name);
  return names;
}

void MemoryFileSystem::create_directories(const std::string& path) {
  std::lock_guard lock(shared_->mutex);
  NodePointer node = root_;
  Parts parts(path);
  while (const auto part = parts.next()) {
    NodePointer& child = node->entries[std::string(*part)];
    if (!child) {
      child = std::make_shared<Node>();
      child->is_directory = true;
      child->modified_ms = shared_->now_ms;
    }
    if (!child->is_directory) fail("create directory", path, ENOTDIR);
    node = child;
  }
}

void MemoryFileSystem::remove(const std::string& path) {
  std::lock_guard lock(shared_->mutex);
  NodePointer node = find(path);
  if (!node) return;
  if (!node->entries.empty()) fail("remove", path, ENOTEMPTY);
  parent_or_fail("remove", path)->entries.erase(last_part_of(path));
}

void MemoryFileSystem::remove_all(const std::string& path) {
  std::lock_guard lock(shared_->mutex);
  if (find(path)) parent_or_fail("remove", path)->entries.erase(last_part_of(path));
}

void MemoryFileSystem::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(shared_->mutex);
  NodePointer node = find_or_fail("rename", from);
  NodePointer target = find(to);
  if (target && target->is_directory && !target->entries.empty()) fail("rename", from + " to " + to, ENOTEMPTY);
  NodePointer new_parent = parent_or_fail("rename", to);
  parent_or_fail("rename", from)->entries.erase(last_part_of(from));
  new_parent->entries[last_part_of(to)] = node;
}

void MemoryFileSystem::set_modified_ms(const std::string& path, std::int64_t modified_ms) {
  std::lock_guard lock(shared_->mutex);
  find_or_fail("set time of", path)->modified_ms = modified_ms;
}

void MemoryFileSystem::sync_directory(const std::string& path) {
  std::lock_guard lock(shared_->mutex);
  NodePointer node = find_or_fail("sync directory", path);
  if (!node->is_directory) fail("sync directory", path, ENOTDIR);
  node->synced_entries = node->entries;
}

std::unique_ptr<File> MemoryFileSystem::try_lock(const std::string& path) {
  std::unique_ptr<File> made = open(path, OpenMode::create);
  std::lock_guard lock(shared_->mutex);
  NodePointer node = find_or_fail("lock", path);
  if (node->locked) return nullptr;
  node->locked = true;
  return std::make_unique<OpenFile>(shared_, node, true, path, true);
}

}  // namespace base
