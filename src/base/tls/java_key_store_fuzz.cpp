// Any bytes are a store or a TlsError; each key in it opens or is one.
#include "base/tls/java_key_store.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace base::tls;
  const base::ByteView bytes(data, size);
  try {
    has_java_password(bytes, "secret");
    for (const JavaKeyStore::Entry& entry : parse_java_key_store(bytes).entries) {
      if (!entry.sealed_key.empty()) open_java_key(entry.sealed_key, "secret");
    }
  } catch (const TlsError&) {
  }
  return 0;
}
