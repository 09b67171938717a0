// ZooKeeper's C client against the coordinator that COMPAT_ZOOKEEPER names (host:port).
#include <gtest/gtest.h>
#include <zookeeper/zookeeper.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace compat {
namespace {

// A session, with the events that reached it.
class Session {
 public:
  explicit Session(const clientid_t* again = nullptr) {
    handle_ = zookeeper_init(std::getenv("COMPAT_ZOOKEEPER"), &Session::on_event, 6000, again, this, 0);
    wait([this] { return connected_; });
  }

  ~Session() {
    if (handle_ != nullptr) zookeeper_close(handle_);
  }

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  zhandle_t* get() { return handle_; }

  bool saw(int type, const std::string& path) {
    return wait([&] {
      for (const auto& event : events_) {
        if (event == std::make_pair(type, path)) return true;
      }
      return false;
    });
  }

 private:
  static void on_event(zhandle_t*, int type, int state, const char* path, void* context) {
    auto* self = static_cast<Session*>(context);
    std::lock_guard lock(self->mutex_);
    if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE) self->connected_ = true;
    if (type != ZOO_SESSION_EVENT) self->events_.emplace_back(type, path);
    self->changed_.notify_all();
  }

  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), condition);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool connected_ = false;
  std::vector<std::pair<int, std::string>> events_;
  zhandle_t* handle_ = nullptr;
};

int create(Session& session, const std::string& path, const std::string& data, int mode = ZOO_PERSISTENT,
           std::string* made = nullptr) {
  char name[256] = {};
  const int code = zoo_create(session.get(), path.c_str(), data.data(), static_cast<int>(data.size()),
                              &ZOO_OPEN_ACL_UNSAFE, mode, name, sizeof(name));
  if (made != nullptr) *made = name;
  return code;
}

std::string read(Session& session, const std::string& path, Stat* stat, int watch = 0) {
  char buffer[1024];
  int length = sizeof(buffer);
  const int code = zoo_get(session.get(), path.c_str(), watch, buffer, &length, stat);
  if (code != ZOK) return "error " + std::to_string(code);
  return length < 0 ? "" : std::string(buffer, static_cast<std::size_t>(length));
}

TEST(CClient, NodesAndVersions) {
  Session session;
  ASSERT_EQ(create(session, "/c", "one"), ZOK);
  EXPECT_EQ(create(session, "/c", "one"), ZNODEEXISTS);
  EXPECT_EQ(create(session, "/c-none/x", ""), ZNONODE);
  Stat stat{};
  EXPECT_EQ(read(session, "/c", &stat), "one");
  EXPECT_EQ(stat.version, 0);
  EXPECT_EQ(zoo_set(session.get(), "/c", "two", 3, 0), ZOK);
  EXPECT_EQ(zoo_set(session.get(), "/c", "three", 5, 0), ZBADVERSION);
  EXPECT_EQ(read(session, "/c", &stat), "two");
  EXPECT_EQ(stat.version, 1);
  std::string made;
  ASSERT_EQ(create(session, "/c/s", "", ZOO_PERSISTENT_SEQUENTIAL, &made), ZOK);
  EXPECT_EQ(made, "/c/s0000000000");
  String_vector children{};
  ASSERT_EQ(zoo_get_children2(session.get(), "/c", 0, &children, &stat), ZOK);
  EXPECT_EQ(children.count, 1);
  EXPECT_EQ(stat.numChildren, 1);
  deallocate_String_vector(&children);
  EXPECT_EQ(zoo_delete(session.get(), "/c", -1), ZNOTEMPTY);
  EXPECT_EQ(zoo_delete(session.get(), made.c_str(), 0), ZOK);
  EXPECT_EQ(zoo_delete(session.get(), "/c", 7), ZBADVERSION);
  EXPECT_EQ(zoo_delete(session.get(), "/c", 1), ZOK);
  EXPECT_EQ(zoo_exists(session.get(), "/c", 0, &stat), ZNONODE);
}

TEST(CClient, EphemeralsEndWithTheirSession) {
  Session stays;
  Stat stat{};
  {
    Session passes;
    ASSERT_EQ(create(passes, "/c-passing", "x", ZOO_EPHEMERAL), ZOK);
    EXPECT_EQ(create(passes, "/c-passing/child", "x"), ZNOCHILDRENFOREPHEMERALS);
    ASSERT_EQ(zoo_exists(stays.get(), "/c-passing", 1, &stat), ZOK);
    EXPECT_EQ(stat.ephemeralOwner, zoo_client_id(passes.get())->client_id);
  }
  EXPECT_TRUE(stays.saw(ZOO_DELETED_EVENT, "/c-passing"));
  EXPECT_EQ(zoo_exists(stays.get(), "/c-passing", 0, &stat), ZNONODE);
}

TEST(CClient, WatchesFireOnce) {
  Session session;
  Session other;
  Stat stat{};
  EXPECT_EQ(zoo_exists(session.get(), "/c-watched", 1, &stat), ZNONODE);
  ASSERT_EQ(create(other, "/c-watched", ""), ZOK);
  EXPECT_TRUE(session.saw(ZOO_CREATED_EVENT, "/c-watched"));
  read(session, "/c-watched", &stat, 1);
  ASSERT_EQ(zoo_set(other.get(), "/c-watched", "1", 1, -1), ZOK);
  EXPECT_TRUE(session.saw(ZOO_CHANGED_EVENT, "/c-watched"));
  String_vector children{};
  ASSERT_EQ(zoo_get_children(session.get(), "/c-watched", 1, &children), ZOK);
  deallocate_String_vector(&children);
  ASSERT_EQ(create(other, "/c-watched/child", ""), ZOK);
  EXPECT_TRUE(session.saw(ZOO_CHILD_EVENT, "/c-watched"));
}

TEST(CClient, TransactionsAreAllOrNothing) {
  Session session;
  char made[64];
  zoo_op_t good[2];
  zoo_op_result_t results[3];
  zoo_create_op_init(&good[0], "/c-multi", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, made, sizeof(made));
  zoo_check_op_init(&good[1], "/c-multi", 0);
  EXPECT_EQ(zoo_multi(session.get(), 2, good, results), ZOK);
  zoo_op_t bad[3];
  zoo_set_op_init(&bad[0], "/c-multi", "y", 1, 0, nullptr);
  zoo_check_op_init(&bad[1], "/c-multi", 5);
  zoo_delete_op_init(&bad[2], "/c-multi", -1);
  EXPECT_EQ(zoo_multi(session.get(), 3, bad, results), ZBADVERSION);
  EXPECT_EQ(results[0].err, ZOK);
  EXPECT_EQ(results[1].err, ZBADVERSION);
  EXPECT_EQ(results[2].err, ZRUNTIMEINCONSISTENCY);
  Stat stat{};
  EXPECT_EQ(read(session, "/c-multi", &stat), "x");
}

TEST(CClient, DigestKeepsOthersOut) {
  Session owner;
  Session stranger;
  std::atomic<int> done = 1;
  const auto completion = [](int code, const void* data) {
    *const_cast<std::atomic<int>*>(static_cast<const std::atomic<int>*>(data)) = code;
  };
  zoo_add_auth(owner.get(), "digest", "c:secret", 8, completion, &done);
  while (done == 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_EQ(done, ZOK);
  ASSERT_EQ(zoo_create(owner.get(), "/c-private", "x", 1, &ZOO_CREATOR_ALL_ACL, 0, nullptr, 0), ZOK);
  Stat stat{};
  EXPECT_EQ(read(owner, "/c-private", &stat), "x");
  EXPECT_EQ(read(stranger, "/c-private", &stat), "error " + std::to_string(ZNOAUTH));
  ACL_vector acls{};
  ASSERT_EQ(zoo_get_acl(owner.get(), "/c-private", &acls, &stat), ZOK);
  EXPECT_STREQ(acls.data[0].id.scheme, "digest");
  deallocate_ACL_vector(&acls);
}

TEST(CClient, SessionMovesToANewConnection) {
  Session first;
  ASSERT_EQ(create(first, "/c-moving", "x", ZOO_EPHEMERAL), ZOK);
  const clientid_t id = *zoo_client_id(first.get());
  Session second(&id);
  EXPECT_EQ(zoo_client_id(second.get())->client_id, id.client_id);
  // The first one connects again and takes the session back, and so on: each gets through now and then.
  Stat stat{};
  std::string data;
  for (int i = 0; i < 1000 && data != "x"; ++i) data = read(second, "/c-moving", &stat);
  EXPECT_EQ(data, "x");
}

}  // namespace
}  // namespace compat
