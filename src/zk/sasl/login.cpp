#include "zk/sasl/login.h"

#include <filesystem>
#include <fstream>

#include "base/host_name.h"
#include "zk/sasl/digest_md5.h"

namespace zk::sasl {

namespace {

// What ZooKeeper gives to Java's provider for DIGEST-MD5.
constexpr const char* kDigestService = "zookeeper";
constexpr const char* kDigestServer = "zk-sasl-md5";
constexpr std::string_view kUserPrefix = "user_";

bool is_kerberos(const base::JaasModule& module) { return module.is_class("Krb5LoginModule"); }

// Java's Digest- and PlainLoginModule both keep a name and a password, and ZooKeeper uses either.
bool is_digest(const base::JaasModule& module) {
  return module.is_class("DigestLoginModule") || module.is_class("PlainLoginModule");
}

void check_module(const base::JaasModule& module) {
  if (is_kerberos(module) || is_digest(module)) return;
  throw LoginError(
      "the login module " + module.name + " is not supported: use " +
      "org.apache.zookeeper.server.auth.DigestLoginModule or com.sun.security.auth.module.Krb5LoginModule");
}

std::string key_table_of(const base::JaasModule& module) {
  std::string path = module.option("keyTab").value_or("");
  constexpr std::string_view kUrl = "file://";
  return path.starts_with(kUrl) ? path.substr(kUrl.size()) : path;
}

}  // namespace

std::optional<base::Jaas> load_jaas(const base::JavaOptions& options) {
  auto value = options.get(kJaasOption);
  if (!value || value->empty()) return std::nullopt;
  std::string path = value->starts_with('=') ? value->substr(1) : *value;  // "==": this file alone
  if (path.starts_with("file:")) path = path.substr(path.starts_with("file://") ? 7 : 5);
  std::ifstream file(path, std::ios::binary);
  std::string text(base::Jaas::kFileBytesMax + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (!file && !file.eof()) || file.gcount() < 0 || std::filesystem::is_directory(path)) {
    throw LoginError("the JAAS file " + path + " (" + std::string(kJaasOption) + ") can't be read");
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  try {
    return base::Jaas::parse(text, [&](const std::string& name) { return options.get(name); });
  } catch (const base::JaasError& error) {
    throw LoginError(path + ":" + std::to_string(error.line()) + ": " + error.what());
  }
}

ServerLogin::ServerLogin(const std::vector<base::JaasModule>& section, ServerLoginOptions options)
    : options_(std::move(options)) {
  auto passwords = std::make_shared<std::map<std::string, std::string>>();
  for (const base::JaasModule& module : section) {
    check_module(module);
    for (const auto& [key, value] : module.options) {
      if (key.starts_with(kUserPrefix)) (*passwords)[key.substr(kUserPrefix.size())] = value;
    }
  }
  if (!options_.super_password.empty() && passwords->contains("super")) {
    (*passwords)["super"] = options_.super_password;
  }
  passwords_ = std::move(passwords);
  const base::JaasModule& first = section.front();
  if (!is_kerberos(first)) return;
  std::string principal = first.option("principal").value_or("");
  if (principal.empty()) throw LoginError("the Krb5LoginModule names no principal");
  if (!first.is_true("useKeyTab"))
    throw LoginError("a server needs useKeyTab=true and a keyTab in its Krb5LoginModule");
  options_.rules.default_realm = default_realm();
  credential_ = accept_credential(key_table_of(first), principal);
}

std::unique_ptr<ServerExchange> ServerLogin::start() const {
  if (credential_) return std::make_unique<GssServer>(credential_);
  return std::make_unique<DigestServer>(
      kDigestService, kDigestServer, [passwords = passwords_](const std::string& user) {
        auto found = passwords->find(user);
        return found == passwords->end() ? std::nullopt : std::optional(found->second);
      });
}

std::optional<std::string> ServerLogin::authorized_id(const std::string& authentication_id) const {
  return sasl::authorized_id(authentication_id, options_.rules);
}

ClientLogin::ClientLogin(const std::vector<base::JaasModule>& section, ClientLoginOptions options)
    : options_(std::move(options)) {
  const base::JaasModule& module = section.front();
  check_module(module);
  kerberos_ = is_kerberos(module);
  if (!kerberos_) {
    username_ = module.option("username").value_or("");
    password_ = module.option("password").value_or("");
    if (username_.empty()) throw LoginError("the login module names no username");
    return;
  }
  source_.principal = module.option("principal").value_or("");
  source_.use_key_table = module.is_true("useKeyTab");
  source_.path = source_.use_key_table ? key_table_of(module) : module.option("ticketCache").value_or("");
  if (source_.use_key_table && source_.principal.empty()) throw LoginError("the Krb5LoginModule names no principal");
  if (!source_.use_key_table && !module.is_true("useTicketCache")) {
    throw LoginError(
        "the Krb5LoginModule has neither useKeyTab=true nor useTicketCache=true, and can't ask for a password");
  }
}

std::unique_ptr<ClientExchange> ClientLogin::start(const std::string& host, const std::string& address) const {
  if (!kerberos_) return std::make_unique<DigestClient>(kDigestService, kDigestServer, username_, password_);
  std::string service = options_.server_principal;
  if (service.empty()) {
    service = options_.service + "/";
    service += options_.canonicalize_host ? base::canonical_host_name(address).value_or(host) : host;
  }
  if (service.find('@') == std::string::npos) {
    auto own = KerberosName::parse(source_.principal);
    std::string realm = options_.server_realm.empty() && own ? own->realm.value_or("") : options_.server_realm;
    if (!realm.empty()) service += "@" + realm;
  }
  return std::make_unique<GssClient>(source_, std::move(service));
}

}  // namespace zk::sasl
