// Key stores in Java's own format JKS, which keytool wrote by default until Java 8: version 1 or 2, entries that are a private
// key with its certificates or a trusted certificate, and a SHA-1 digest over the password and all of it at the end. A private key
// is sealed with Sun's key protector (1.3.6.1.4.1.42.2.17.1.1). The layout is that of the JDK's own stores, as keytool 17
// writes them. Bytes in, bytes out; whatever isn't a store is a TlsError that says what is wrong, without the file's name.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/tls/key_store.h"

namespace base::tls {

struct JavaKeyStore {
  struct Entry {
    std::string alias;  // in modified UTF-8, as the store has it
    Bytes sealed_key;   // empty: a trusted certificate
    std::vector<Bytes> certificates;  // DER; a key's own is the first
  };
  std::vector<Entry> entries;
};

bool is_java_key_store(ByteView bytes);

// What the store holds, whoever wrote it: the digest isn't looked at.
JavaKeyStore parse_java_key_store(ByteView bytes);
// Whether the digest at the end is that of this password. The password is UTF-8, or Latin-1 if it can't be that.
bool has_java_password(ByteView bytes, const std::string& password);
// A private key as PKCS #8 in DER. A wrong password is a TlsError.
Bytes open_java_key(ByteView sealed, const std::string& password);

}  // namespace base::tls
