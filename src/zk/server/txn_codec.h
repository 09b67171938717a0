// A transaction as bytes of the log: header, body, digest. Pure functions. Source: the log format of ZooKeeper 3.5 to
// 3.9; creates of 3.4 and older lack the parent's version, closeSessions before 3.6 lack the paths.
#pragma once

#include <string>

#include "base/bytes.h"
#include "zk/tree/txn.h"

namespace zk::server {

// Appends one record with its checksum, length and end mark.
void append_record(base::Bytes& to, const tree::Txn& txn);
// The entry within a record. False: `error` says why.
bool decode_txn(base::ByteView entry, tree::Txn& txn, std::string& error);

inline constexpr std::uint8_t kRecordEnd = 0x42;
inline constexpr std::size_t kRecordHeadBytes = 12;

}  // namespace zk::server
