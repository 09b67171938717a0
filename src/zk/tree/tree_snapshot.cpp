// A tree at one moment, handed over in steps while changes go on.
#include "zk/tree/tree.h"

#include <utility>
#include <vector>

namespace zk::tree {

void Tree::begin_snapshot(SnapshotSink sink) {
  snapshot_sink_ = std::move(sink);
  ++snapshot_mark_;
  snapshot_next_ = root_;
  snapshot_below_ = nullptr;
}

void Tree::abandon_snapshot() {
  snapshot_sink_ = nullptr;
  snapshot_next_ = nullptr;
  // Marks left behind must not look like those of a later snapshot.
  for (ZnodeSlot slot : table_) {
    if (!slot.is_empty()) slot.node()->snapshot_mark = snapshot_mark_;
  }
  if (root_ != nullptr) root_->snapshot_mark = snapshot_mark_;
}

Znode* Tree::next_in_order(const Znode* node) {
  if (node->first_child != nullptr) return node->first_child;
  while (node != nullptr && node->next == nullptr) node = node->parent;
  return node == nullptr ? nullptr : node->next;
}

void Tree::hand_over(Znode* node) {
  // Ancestors that the walk has not reached are unchanged so far, or they would be marked. There may be as many as a path has
  // bytes for, so no stack holds them.
  std::vector<Znode*> unreached;
  for (Znode* above = node->parent; above != nullptr && above->snapshot_mark != snapshot_mark_; above = above->parent) {
    unreached.push_back(above);
  }
  for (auto above = unreached.rbegin(); above != unreached.rend(); ++above) hand_over_alone(*above);
  hand_over_alone(node);
}

void Tree::hand_over_alone(Znode* node) {
  if (node == root_) {
    snapshot_sink_("/", *node);
  } else {
    const Znode* parent = node->parent;
    if (snapshot_below_ != parent) {
      const Znode* below = std::exchange(snapshot_below_, nullptr);
      if (below != nullptr && below == parent->parent) {  // a level down: a deep path isn't made anew for each
        snapshot_path_.append(parent->name()).push_back('/');
      } else {
        snapshot_path_ = join(path_of(*parent), "");
      }
      snapshot_below_ = parent;
    }
    const std::size_t parent_size = snapshot_path_.size();
    snapshot_path_ += node->name();
    snapshot_sink_(snapshot_path_, *node);
    snapshot_path_.resize(parent_size);
  }
  node->snapshot_mark = snapshot_mark_;
}

bool Tree::step_snapshot(std::size_t nodes) {
  for (; nodes > 0 && snapshot_next_ != nullptr; --nodes) {
    if (snapshot_next_->snapshot_mark != snapshot_mark_) hand_over(snapshot_next_);
    snapshot_next_ = next_in_order(snapshot_next_);
  }
  if (snapshot_next_ != nullptr) return false;
  snapshot_sink_ = nullptr;
  return true;
}

}  // namespace zk::tree
