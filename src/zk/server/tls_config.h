// The keys of zoo.cfg that are about TLS: the secure port, its keys and trust, the scheme x509. Plain values; files are
// read by tls_options(). A value that isn't valid is a std::invalid_argument that says what is allowed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/tls/context.h"

namespace zk::server {

struct TlsConfig {
  std::optional<std::uint16_t> port;  // secureClientPort
  std::string address;                // secureClientPortAddress; empty: all
  bool port_unification = false;      // clientPort takes TLS as well
  base::tls::Options options;
  std::string key_password_path;  // these win over passwords
  std::string trust_password_path;
  bool reload = false;             // client.certReload: new files take effect without a restart
  std::size_t handshakes_max = 0;  // at once; 0: no limit
  std::string x509_super_user;     // a certificate's subject; empty: none
  base::tls::Store quorum_key_store, quorum_trust_store;  // ssl.quorum.*: what the AdminServer uses
  std::string quorum_key_password_path, quorum_trust_password_path;
  bool x509_provider = false;      // the scheme is on though there is no TLS port

  bool enabled() const { return port.has_value() || port_unification; }
  bool x509_enabled() const { return enabled() || x509_provider; }
};

// `key` without the prefix "zookeeper.". False if the key isn't about TLS.
bool set_tls_key(TlsConfig& config, std::string_view key, std::string_view value);

bool is_tls_key(std::string_view key);
// The key that differs from this one in upper and lower case alone; empty if there is none.
std::string_view tls_key_in_its_case(std::string_view key);

// With the passwords that are in files; throws base::tls::TlsError.
base::tls::Options tls_options(const TlsConfig& config);
// Of the stores ssl.quorum.*; the same.
base::tls::Options quorum_tls_options(const TlsConfig& config);
// Changes when one of the files does.
std::string tls_files_stamp(const TlsConfig& config);

}  // namespace zk::server
