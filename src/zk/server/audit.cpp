#include "zk/server/audit.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/logging.h"

namespace zk::server {

namespace {

constexpr const char* kLogger = "milena.zookeeper.Audit";
constexpr std::string_view kFailure = "result=failure";
constexpr std::size_t kUserBytesMax = 1024 * 1024;

// By the flags of a create.
constexpr std::array kModes = {"persistent", "ephemeral", "persistent_sequential", "ephemeral_sequential", "container",
                               "persistent_with_ttl", "persistent_sequential_with_ttl"};

std::string mode_name(std::int32_t flags) {
  return flags < 0 || flags >= static_cast<std::int32_t>(kModes.size()) ? "" : kModes.at(static_cast<std::size_t>(flags));
}

std::string shown(std::string_view text) {
  std::string shown(text);
  for (char& each : shown) {
    if (static_cast<unsigned char>(each) < 0x20 || each == 0x7f) each = '?';
  }
  return shown;
}

using Text = std::optional<std::string>;

void add(std::string& line, std::string_view field, const Text& value) {
  if (!value) return;
  if (!line.empty()) line += '\t';
  line += fmt::format("{}={}", field, shown(*value));
}

std::string user_of(const tree::Identity& identity) {
  if (identity.scheme == "super") return "";
  return identity.scheme == "digest" ? identity.id.substr(0, identity.id.find(':')) : identity.id;
}

// As Java's user.name.
std::string ask_own_user() {
  std::vector<char> buffer(1024);
  passwd entry{};
  passwd* found = nullptr;
  while (::getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == ERANGE && buffer.size() < kUserBytesMax) {
    buffer.resize(buffer.size() * 2);
  }
  return found == nullptr ? "?" : found->pw_name;
}

// Asked once, when the server tells that it starts: a directory of users over a network may take its time.
const std::string& own_user() {
  static const std::string user = ask_own_user();
  return user;
}

std::string session_text(std::int64_t session_id) { return fmt::format("0x{:x}", static_cast<std::uint64_t>(session_id)); }

// Without the hash behind the user's name. What isn't of that form is there too: attempts that fail are audited.
std::string shown_id(const tree::Identity& identity) {
  const std::size_t colon = identity.id.find(':');
  if (identity.scheme != "digest" || colon == std::string::npos) return identity.id;
  const std::size_t end = std::min(identity.id.find(':', colon + 1), identity.id.size());
  return identity.id.substr(0, colon) + ":x" + identity.id.substr(end);
}

std::string acl_text(const tree::AclList& acl) {
  std::string text;
  for (const tree::AclEntry& entry : acl) {
    text += entry.identity.scheme + ":" + shown_id(entry.identity) + ":";
    for (const auto& [permission, letter] : {std::pair{tree::kCreate, 'c'}, {tree::kDelete, 'd'}, {tree::kRead, 'r'},
                                             {tree::kWrite, 'w'}, {tree::kAdmin, 'a'}}) {
      if ((entry.permissions & permission) != 0) text += letter;
    }
  }
  return text;
}

std::unique_ptr<AuditedRequest> made(const Peer& peer, const char* operation) {
  auto made = std::make_unique<AuditedRequest>();
  std::string users;
  for (const tree::Identity& identity : peer.identities) {
    const std::string user = user_of(identity);
    if (!user.empty()) users += (users.empty() ? "" : ",") + user;
  }
  add(made->who, "session", session_text(peer.session_id));
  if (!users.empty()) add(made->who, "user", users);
  add(made->who, "ip", peer.address);
  made->operation = operation;
  return made;
}

std::string line_of(const AuditedRequest& request, const std::string& operation, const Text& path, const Text& mode, const Text& acl,
                    bool failed) {
  std::string line = request.who;
  add(line, "operation", operation);
  add(line, "znode", path);
  add(line, "znode_type", mode);
  add(line, "acl", acl);
  return line + (failed ? "\tresult=failure" : "\tresult=success");
}

// ZooKeeper looks the mode of a create up by the path that the request had, so that sequential ones have none.
Text mode_in_multi(const AuditedRequest& request, const std::string& path) {
  const auto found = std::find_if(request.modes.rbegin(), request.modes.rend(),
                                  [&](const AuditedRequest::Mode& each) { return each.path == path; });
  return found == request.modes.rend() ? Text() : found->name;
}

std::vector<std::string> lines_of_multi(const AuditedRequest& request, const tree::MultiTxn& multi) {
  std::vector<std::string> lines;
  for (const tree::SubTxn& part : multi.txns) {
    if (std::holds_alternative<tree::ErrorTxn>(part)) {
      return {line_of(request, request.operation, {}, {}, {}, true)};
    }
    if (const auto* create = std::get_if<tree::CreateTxn>(&part)) {
      lines.push_back(line_of(request, "create", create->path, mode_in_multi(request, create->path), {}, false));
    } else if (const auto* remove = std::get_if<tree::DeleteTxn>(&part)) {
      lines.push_back(line_of(request, "delete", remove->path, {}, {}, false));
    } else if (const auto* set = std::get_if<tree::SetDataTxn>(&part)) {
      lines.push_back(line_of(request, "setData", set->path, {}, {}, false));
    }
  }
  return lines;
}

}  // namespace

std::unique_ptr<AuditedRequest> audited(const Peer& peer, const tree::WriteRequest& request) {
  std::unique_ptr<AuditedRequest> result;
  if (const auto* create = std::get_if<tree::CreateRequest>(&request)) {
    const std::string mode = mode_name(create->flags);
    if (mode.empty()) return nullptr;
    result = made(peer, "create");
    result->path = create->path;
    result->mode = mode;
  } else if (const auto* remove = std::get_if<tree::DeleteRequest>(&request)) {
    result = made(peer, "delete");
    result->path = remove->path;
  } else if (const auto* set_data = std::get_if<tree::SetDataRequest>(&request)) {
    result = made(peer, "setData");
    result->path = set_data->path;
  } else if (const auto* set_acl = std::get_if<tree::SetAclRequest>(&request)) {
    result = made(peer, "setAcl");
    result->path = set_acl->path;
    result->acl = acl_text(set_acl->acl);
  } else if (std::holds_alternative<tree::ReconfigRequest>(request)) {
    result = made(peer, "reconfig");
  } else if (const auto* multi = std::get_if<tree::MultiRequest>(&request)) {
    result = audited_multi(peer);
    for (const tree::SubRequest& part : multi->requests) {
      const auto* in_it = std::get_if<tree::CreateRequest>(&part);
      if (in_it == nullptr) continue;
      const std::string mode = mode_name(in_it->flags);
      if (mode.empty()) return nullptr;
      if (in_it->type != tree::OpCode::create_ttl) result->modes.push_back({in_it->path, mode});
    }
  }
  return result;
}

std::unique_ptr<AuditedRequest> audited_multi(const Peer& peer) { return made(peer, "multiOperation"); }

std::vector<std::string> audit_lines(const AuditedRequest& request, const tree::Txn& txn) {
  if (const auto* multi = std::get_if<tree::MultiTxn>(&txn.body)) return lines_of_multi(request, *multi);
  const bool failed = std::holds_alternative<tree::ErrorTxn>(txn.body);
  const auto* create = std::get_if<tree::CreateTxn>(&txn.body);
  const Text path = create == nullptr ? request.path : create->path;  // with its number, if it is sequential
  return {line_of(request, request.operation, path, request.mode, request.acl, failed)};
}

std::string audit_line_of_ephemeral(std::int64_t session_id, const std::string& path) {
  std::string line;
  add(line, "session", session_text(session_id));
  add(line, "user", own_user());
  add(line, "operation", "ephemeralZNodeDeletionOnSessionCloseOrExpire");
  add(line, "znode", path);
  return line + "\tresult=success";
}

std::string audit_line_of_server(const std::string& operation, const std::string& result) {
  std::string line;
  add(line, "user", own_user());
  add(line, "operation", operation);
  add(line, "result", result);
  return line;
}

void write_audit_line(const std::string& line) {
  if (line.ends_with(kFailure)) {
    base::log_error(kLogger, "{}", line);
  } else {
    base::log_info(kLogger, "{}", line);
  }
}

}  // namespace zk::server
