#include "zk/sasl/kerberos_library.h"

#include <dlfcn.h>

#include <string>

#include "zk/sasl/login.h"

namespace zk::sasl {

namespace {

class SharedLibrary {
 public:
  explicit SharedLibrary(const char* name) : handle_(::dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) fail();
  }
  template <class Function>
  void find(const char* name, Function& function) const {
    function = reinterpret_cast<Function>(address(name));
  }
  gss_OID oid(const char* name) const { return *static_cast<const gss_OID*>(address(name)); }

 private:
  void* address(const char* name) const {
    void* found = ::dlsym(handle_, name);
    if (found == nullptr) fail();
    return found;
  }
  [[noreturn]] static void fail() {
    const char* reason = ::dlerror();
    throw LoginError(std::string("Kerberos needs MIT's libraries (Debian: apt-get install libgssapi-krb5-2): ") +
                     (reason != nullptr ? reason : "not found"));
  }

  void* handle_;  // never closed: credentials live as long as the process
};

KerberosLibrary load() {
  const SharedLibrary gssapi("libgssapi_krb5.so.2");
  const SharedLibrary krb5("libkrb5.so.3");
  KerberosLibrary library{};
  gssapi.find("gss_accept_sec_context", library.accept_sec_context);
  gssapi.find("gss_acquire_cred_from", library.acquire_cred_from);
  gssapi.find("gss_delete_sec_context", library.delete_sec_context);
  gssapi.find("gss_display_name", library.display_name);
  gssapi.find("gss_display_status", library.display_status);
  gssapi.find("gss_import_name", library.import_name);
  gssapi.find("gss_init_sec_context", library.init_sec_context);
  gssapi.find("gss_release_buffer", library.release_buffer);
  gssapi.find("gss_release_cred", library.release_cred);
  gssapi.find("gss_release_name", library.release_name);
  gssapi.find("gss_unwrap", library.unwrap);
  gssapi.find("gss_wrap", library.wrap);
  krb5.find("krb5_init_context", library.init_context);
  krb5.find("krb5_free_context", library.free_context);
  krb5.find("krb5_get_default_realm", library.get_default_realm);
  krb5.find("krb5_free_default_realm", library.free_default_realm);
  library.mechanism = gssapi.oid("gss_mech_krb5");
  library.principal_name = gssapi.oid("GSS_KRB5_NT_PRINCIPAL_NAME");
  return library;
}

}  // namespace

const KerberosLibrary& kerberos() {
  static const KerberosLibrary library = load();
  return library;
}

}  // namespace zk::sasl
