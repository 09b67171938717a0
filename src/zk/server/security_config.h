// The keys of zoo.cfg (or -Dzookeeper.…) that say who may connect and what they may do: schemes, SASL, super users.
// Plain values; part of ZooKeeperServerConfig.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/java_options.h"
#include "base/properties.h"
#include "zk/sasl/login.h"
#include "zk/tree/acl.h"

namespace zk::server {

struct SecurityConfig {
  tree::AclSchemes schemes;
  std::vector<std::string> required_schemes;  // a connection needs one of them; empty: none
  bool allow_sasl_failed_clients = false;
  std::set<std::string> sasl_super_users;  // superUser, superUser.NAME
  std::string login_section = "Server";    // sasl.serverconfig
  bool login_section_is_set = false;
  sasl::ServerLoginOptions login_options;
  std::shared_ptr<const sasl::ServerLogin> login;  // null: SASL is answered by a null token

  bool requires_sasl() const;

  // Whether the key (without "zookeeper.") is one of these; then its value is taken over. Throws ConfigError.
  static bool is_known(std::string_view key);
  bool take(std::string_view key, const base::Properties::Entry& entry, std::vector<std::string>& warnings);
  // After the last key.
  void finish();
  // Reads the JAAS file that -Djava.security.auth.login.config names, if any. Throws ConfigError.
  void load_login(const base::JavaOptions& options);

 private:
  void take_rules(const base::Properties::Entry& entry);
  void take_provider(const std::string& key, const base::Properties::Entry& entry);

  bool enforce_ = false;
  bool session_requires_sasl_ = false;
  std::vector<std::string> enforced_schemes_;
};

}  // namespace zk::server
