// Requests about watches themselves.
#include <algorithm>

#include "zk/proto/records.h"
#include "zk/server/convert.h"
#include "zk/server/coordinator.h"

namespace zk::server {

using tree::Error;

namespace {

enum class WatcherType : std::int32_t { children = 1, data = 2, any = 3, persistent = 4, persistent_recursive = 5 };

// Which modes of the data and of the child table a type names.
struct Modes {
  std::uint8_t data = 0;
  std::uint8_t child = 0;
};

std::optional<Modes> modes_of(std::int32_t type) {
  switch (static_cast<WatcherType>(type)) {
    case WatcherType::children:
      return Modes{0, tree::kStandardWatch};
    case WatcherType::data:
      return Modes{tree::kStandardWatch, 0};
    case WatcherType::any:
      return Modes{tree::kAnyWatch, tree::kAnyWatch};
    case WatcherType::persistent:
      return Modes{tree::kPersistentWatch, tree::kPersistentWatch};
    case WatcherType::persistent_recursive:
      return Modes{tree::kRecursiveWatch, tree::kRecursiveWatch};
  }
  return std::nullopt;
}

}  // namespace

void Coordinator::serve_set_watches(Peer& peer, std::int32_t xid, proto::Reader& reader, bool persistent) {
  proto::SetWatches2 request;
  bool whole = reader.read(request.relative_zxid) && reader.read(request.data_watches) &&
               reader.read(request.exist_watches) && reader.read(request.child_watches);
  if (whole && persistent) {
    whole = reader.read(request.persistent_watches) && reader.read(request.persistent_recursive_watches);
  }
  for (const auto* paths : {&request.data_watches, &request.exist_watches, &request.child_watches,
                            &request.persistent_watches, &request.persistent_recursive_watches}) {
    whole = whole && !paths->is_null() &&
            std::none_of(paths->begin(), paths->end(), [](const auto& path) { return path.is_null(); });
  }
  if (!whole) return reply_error(peer, xid, Error::marshalling_error);
  tree::WatchLists lists;
  lists.relative_zxid = request.relative_zxid;
  lists.data = to_tree(request.data_watches);
  lists.exist = to_tree(request.exist_watches);
  lists.child = to_tree(request.child_watches);
  lists.persistent = to_tree(request.persistent_watches);
  lists.recursive = to_tree(request.persistent_recursive_watches);
  state_.set_watches(peer.id, lists, *this);
  reply_error(peer, xid, Error::ok);
}

void Coordinator::serve_add_watch(Peer& peer, std::int32_t xid, proto::Reader& reader) {
  proto::AddWatchRequest request;
  if (!reader.read(request) || request.mode < 0 || request.mode > 1) {
    return reply_error(peer, xid, Error::marshalling_error);
  }
  state_.add_watch(request.path, peer.id, request.mode == 0 ? tree::kPersistentWatch : tree::kRecursiveWatch);
  reply(peer, xid, proto::ErrorResponse());
}

void Coordinator::serve_check_watches(Peer& peer, std::int32_t xid, proto::Reader& reader, bool remove) {
  proto::CheckWatchesRequest request;  // removeWatches has the same fields
  if (!reader.read(request)) return reply_error(peer, xid, Error::marshalling_error);
  auto modes = modes_of(request.type);
  if (!modes) return reply_error(peer, xid, Error::marshalling_error);
  tree::WatchTable& data = state_.data_watches();
  tree::WatchTable& child = state_.child_watches();
  bool found = data.holds(request.path, peer.id, modes->data) || child.holds(request.path, peer.id, modes->child);
  if (found && remove) {
    data.remove(request.path, peer.id, modes->data);
    child.remove(request.path, peer.id, modes->child);
  }
  reply_error(peer, xid, found ? Error::ok : Error::no_watcher);
}

}  // namespace zk::server
