#include "zk/proto/codes.h"

namespace zk::proto {

std::string_view name_of(Error error) {
  switch (error) {
    case Error::ok:
      return "OK";
    case Error::system_error:
      return "SYSTEMERROR";
    case Error::runtime_inconsistency:
      return "RUNTIMEINCONSISTENCY";
    case Error::connection_loss:
      return "CONNECTIONLOSS";
    case Error::marshalling_error:
      return "MARSHALLINGERROR";
    case Error::unimplemented:
      return "UNIMPLEMENTED";
    case Error::operation_timeout:
      return "OPERATIONTIMEOUT";
    case Error::bad_arguments:
      return "BADARGUMENTS";
    case Error::no_node:
      return "NONODE";
    case Error::no_auth:
      return "NOAUTH";
    case Error::bad_version:
      return "BADVERSION";
    case Error::no_children_for_ephemerals:
      return "NOCHILDRENFOREPHEMERALS";
    case Error::node_exists:
      return "NODEEXISTS";
    case Error::not_empty:
      return "NOTEMPTY";
    case Error::session_expired:
      return "SESSIONEXPIRED";
    case Error::invalid_acl:
      return "INVALIDACL";
    case Error::auth_failed:
      return "AUTHFAILED";
    case Error::session_moved:
      return "SESSIONMOVED";
    case Error::unknown_session:
      return "UNKNOWNSESSION";
    case Error::no_watcher:
      return "NOWATCHER";
    case Error::reconfig_disabled:
      return "RECONFIGDISABLED";
    case Error::session_closed_require_sasl_auth:
      return "SESSIONCLOSEDREQUIRESASLAUTH";
    case Error::quota_exceeded:
      return "QUOTAEXCEEDED";
    case Error::throttled:
      return "THROTTLEDOP";
  }
  return "UNKNOWN";
}

}  // namespace zk::proto
