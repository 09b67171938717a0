#include "zk/admin/snapshot_commands.h"

#include <fmt/format.h>

#include "base/logging.h"
#include "zk/admin/json_text.h"
#include "zk/server/config_values.h"
#include "zk/server/snapshot.h"

namespace zk::admin {

namespace {

constexpr const char* kLogger = "milena.zookeeper.AdminServer";
constexpr const char* kUploadName = "unfinished-restore.tmp";

// The fields of a command's answer, in ZooKeeper's order.
HttpResponse answer(int status, const std::string& command, boost::json::value error = nullptr,
                    boost::json::object fields = {}) {
  fields["command"] = command;
  fields["error"] = std::move(error);
  return HttpResponse{status, "application/json", json_text(fields)};
}

MakeResponse refuse(int status, const std::string& command, const char* why) {
  return [=] { return answer(status, command, why == nullptr ? boost::json::value(nullptr) : why); };
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

bool RateLimiter::allow(std::int64_t now_ms) {
  if (began_ms_ == 0) began_ms_ = now_ms;
  if (now_ms > began_ms_ + interval_ms_) {
    began_ms_ = now_ms;
    used_ = false;
  }
  return !std::exchange(used_, true);
}

// ZooKeeper 3.9.4 takes the interval of snapshots for microseconds: measured, they are allowed every 300 ms where the
// key says 300000. Restores keep to it.
SnapshotCommands::SnapshotCommands(const server::ZooKeeperServerConfig& config, server::Server& server)
    : config_(config),
      server_(server),
      snapshots_(config.admin->rate_limit_interval_ms / 1000),
      restores_(config.admin->rate_limit_interval_ms) {}

std::vector<tree::Identity> SnapshotCommands::identities_of(const HttpRequest& request) const {
  const std::string_view text = request.authorization;
  const std::size_t space = text.find(' ');
  const std::string_view scheme = text.substr(0, space);
  const std::string_view credential = space == std::string_view::npos ? std::string_view() : text.substr(space + 1);
  if (credential.find(' ') != std::string_view::npos) return {};
  std::vector<tree::Identity> found;
  const tree::AclSchemes& schemes = config_.security.schemes;
  if (scheme == "digest" && schemes.digest && !credential.empty()) {
    const auto id = tree::digest_identity(credential, schemes.digest_algorithm);
    if (!id) return {};
    if (!config_.super_digest.empty() && *id == config_.super_digest) found.push_back(tree::Identity{"super", ""});
    found.push_back(tree::Identity{"digest", *id});
  } else if (scheme == "ip") {
    std::string address = request.address;
    if (config_.admin->trusts_forwarded_for && !request.forwarded_for.empty()) {
      address = server::trimmed(std::string_view(request.forwarded_for).substr(0, request.forwarded_for.find(',')));
    }
    found.push_back(tree::Identity{"ip", address});
  } else if (scheme == "x509" && config_.tls.x509_enabled() && !request.certificate_subject.empty()) {
    if (request.certificate_subject == config_.tls.x509_super_user) {
      found.push_back(tree::Identity{"super", request.certificate_subject});
    }
    found.push_back(tree::Identity{"x509", request.certificate_subject});
  }
  return found;
}

MakeResponse SnapshotCommands::refusal(const std::string& name, const HttpRequest& request,
                                       server::Coordinator& coordinator) const {
  if (!request.has_authorization) return refuse(401, name, "Auth info is missing for the command");
  const std::vector<tree::Identity> identities = identities_of(request);
  if (identities.empty()) return refuse(401, name, "Not authenticated");
  const tree::SharedAcl acl = coordinator.state().tree().acl_of(*coordinator.state().tree().root());
  for (const tree::Permission one : {tree::kRead, tree::kWrite, tree::kCreate, tree::kDelete, tree::kAdmin}) {
    if (acl != nullptr && !is_allowed(*acl, one, identities, config_.security.schemes)) {
      return refuse(403, name, "Not authorized");
    }
  }
  return nullptr;
}

// snapshot
// ---------------------------------------------------------------------------------------------------------------------

void SnapshotCommands::on_snapshot(const std::string& name, const HttpRequest& request, const Arguments& arguments,
                                   const HttpRespond& respond) {
  const auto streaming = arguments.find("streaming");
  const bool streams = streaming == arguments.end() || equal_ignoring_case(streaming->second, "true");
  server_.run([=, this](server::Coordinator& coordinator) {
    if (auto refused = refusal(name, request, coordinator)) return respond(refused);
    if (!config_.admin->snapshot_enabled) return respond(refuse(503, "snapshot", nullptr));
    // Without them a snapshot doesn't say of which zxid it is.
    if (!config_.snapshot_last_zxid || !config_.digest) {
      base::log_warn(kLogger, "The command snapshot needs serializeLastProcessedZxid.enabled and digest.enabled");
      return respond(refuse(500, "snapshot", nullptr));
    }
    if (!snapshots_.allow(coordinator.clock().monotonic_ms())) {
      ++coordinator.stats().metrics.snapshot_rate_limited_count;
      return respond(refuse(429, "snapshot", nullptr));
    }
    server_.take_snapshot([=, this](const server::SnapshotResult& taken) {
      if (!taken.failure.empty()) return respond(refuse(500, "snapshot", nullptr));
      respond([=, this] {
        HttpResponse response = answer(200, "snapshot");
        std::shared_ptr<base::File> file;
        try {
          file = server_.files().open(taken.path, base::OpenMode::read);
        } catch (const std::exception& error) {
          base::log_error(kLogger, "The snapshot is there, but can't be sent: {}", error.what());
          return answer(500, "snapshot");
        }
        response.headers = {{"last_zxid", fmt::format("0x{:x}", static_cast<std::uint64_t>(taken.zxid))},
                            {"snapshot_size", std::to_string(file->size())}};
        if (!streams) return response;
        response.content_type = "application/octet-stream";
        response.file = std::move(file);
        return response;
      });
    });
  });
}

// restore
// ---------------------------------------------------------------------------------------------------------------------

// The snapshot that comes in. It is read once here, so that nothing is given up for one that isn't whole.
class SnapshotCommands::Upload final : public HttpUpload {
 public:
  Upload(SnapshotCommands& owner, std::shared_ptr<void> turn)
      : owner_(owner), turn_(std::move(turn)), path_(owner.config_.data_dir + "/version-2/" + kUploadName) {
    guard([&] {
      file_ = owner_.server_.files().open(path_, base::OpenMode::create);
      file_->truncate(0);
    });
  }
  ~Upload() override { end(); }

  void take(base::ByteView piece) override {
    if (!failure_.empty()) return;
    guard([&] { file_->write_at(size_, piece); });
    size_ += piece.size();
  }

  void finish(HttpRespond respond) override {
    std::int64_t zxid = -1;
    guard([&] {
      tree::State scratch;
      const server::SnapshotInfo info = server::read_snapshot(owner_.server_.files(), path_, scratch);
      server::require_acls(path_, scratch);
      zxid = info.last_zxid >= 0 ? info.last_zxid : info.digest_zxid;
      if (zxid < 0) throw server::DataDirError("it doesn't say of which zxid it is: ZooKeeper before 3.9 wrote it");
    });
    if (!failure_.empty()) {
      owner_.server_.run([failure = failure_](server::Coordinator& coordinator) {
        ++coordinator.stats().metrics.restore_error_count;
        base::log_warn(kLogger, "A snapshot was not restored, and nothing was changed: {}", failure);
      });
      end();
      return respond(refuse(500, "restore", nullptr));
    }
    is_handed_over_ = true;
    auto done = [&owner = owner_, turn = turn_, path = path_, respond](const server::RestoreResult& result) {
      remove(owner, path);
      if (!result.failure.empty()) return respond(refuse(500, "restore", nullptr));
      respond([zxid = result.zxid] { return answer(200, "restore", nullptr, {{"last_zxid", zxid}}); });
    };
    owner_.server_.restore(path_, zxid, std::move(done));
  }

 private:
  template <class Work>
  void guard(Work&& work) {
    if (!failure_.empty()) return;
    try {
      work();
    } catch (const std::exception& error) {
      failure_ = error.what();
    }
  }
  void end() {
    if (is_over_ || is_handed_over_) return;
    is_over_ = true;
    remove(owner_, path_);
  }
  static void remove(SnapshotCommands& owner, const std::string& path) {
    try {
      owner.server_.files().remove(path);
    } catch (const std::exception& error) {
      base::log_warn(kLogger, "{}", error.what());
    }
  }

  SnapshotCommands& owner_;
  std::shared_ptr<void> turn_;
  std::string path_;
  std::unique_ptr<base::File> file_;
  std::uint64_t size_ = 0;
  std::string failure_;
  bool is_over_ = false;
  bool is_handed_over_ = false;  // the loop removes the file
};

void SnapshotCommands::on_restore(const std::string& name, const HttpRequest& request, const HttpRespond& respond) {
  server_.run([=, this](server::Coordinator& coordinator) {
    if (auto refused = refusal(name, request, coordinator)) return respond(refused);
    if (!config_.admin->restore_enabled) return respond(refuse(503, "restore", nullptr));
    if (!config_.snapshot_last_zxid) return respond(refuse(500, "restore", nullptr));
    if (!restores_.allow(coordinator.clock().monotonic_ms()) || restoring_->exchange(true)) {
      ++coordinator.stats().metrics.restore_rate_limited_count;
      return respond(refuse(429, "restore", nullptr));
    }
    // Whatever becomes of the request.
    std::shared_ptr<void> turn(nullptr, [flag = restoring_](void*) { *flag = false; });
    respond([this, turn = std::move(turn)] {
      HttpResponse response;
      response.upload = std::make_shared<Upload>(*this, turn);
      return response;
    });
  });
}

}  // namespace zk::admin
