// ZooKeeper's audit log (audit.enable), line by line as ZooKeeper 3.9.4 writes it, under the logger milena.zookeeper.Audit: who
// changed what, and whether that was done. Two things are ours: of a digest in an ACL only the user is told, and a control character in
// a path is a question mark, so that a path can't pretend to be another line. Nothing here touches sockets or files but the log.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "zk/server/peer.h"
#include "zk/tree/request.h"

namespace zk::server {

// What the line needs of a request that isn't applied yet: its client may be gone by then.
struct AuditedRequest {
  struct Mode {
    std::string path;
    std::string name;
  };
  std::string who;        // the fields session, user and ip
  std::string operation;  // of a multi: multiOperation
  std::optional<std::string> path, mode, acl;
  std::vector<Mode> modes;  // of creates within a multi, those of createTTL aside
};

// Null for what is in no line: sessions, checks, creates whose flags name no mode, and a multi with one of these.
std::unique_ptr<AuditedRequest> audited(const Peer& peer, const tree::WriteRequest& request);
// A multi that can't be read.
std::unique_ptr<AuditedRequest> audited_multi(const Peer& peer);

// The lines of a request that was decided, as `txn` says: none for each check in a multi that is done.
std::vector<std::string> audit_lines(const AuditedRequest& request, const tree::Txn& txn);
// One of an ephemeral that goes with its session, and of the server itself ("serverStart", "success").
std::string audit_line_of_ephemeral(std::int64_t session_id, const std::string& path);
std::string audit_line_of_server(const std::string& operation, const std::string& result);

// As an error if it tells of a failure.
void write_audit_line(const std::string& line);

}  // namespace zk::server
