// The rules that make short names of Kerberos principals (security.auth_to_local): "DEFAULT" and
// "RULE:[2:$1](kafka.*)s/a/b/g", one after another. Immutable. Source of syntax and meaning: ZooKeeper's KerberosName.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "zk/sasl/kerberos_name.h"

namespace zk::sasl {

class AuthToLocal {
 public:
  // Throws std::invalid_argument, which says what is wrong.
  explicit AuthToLocal(std::string_view text);
  ~AuthToLocal();

  // The first rule's name that fits; nothing if none does, or if its name isn't short. The name has a realm.
  std::optional<std::string> apply(const KerberosName& name, const std::string& default_realm) const;

 private:
  struct Rule;
  std::vector<std::unique_ptr<const Rule>> rules_;
};

}  // namespace zk::sasl
