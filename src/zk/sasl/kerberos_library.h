// MIT's Kerberos, loaded when something asks for it: a coordinator or broker without Kerberos, which most are, neither maps
// its seven libraries nor pays for their relocations at each start (0.7 MB of resident memory). Thread-safe.
#pragma once

#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5/krb5.h>

namespace zk::sasl {

// The library's functions and constants under their own names.
struct KerberosLibrary {
  decltype(&::gss_accept_sec_context) accept_sec_context;
  decltype(&::gss_acquire_cred_from) acquire_cred_from;
  decltype(&::gss_delete_sec_context) delete_sec_context;
  decltype(&::gss_display_name) display_name;
  decltype(&::gss_display_status) display_status;
  decltype(&::gss_import_name) import_name;
  decltype(&::gss_init_sec_context) init_sec_context;
  decltype(&::gss_release_buffer) release_buffer;
  decltype(&::gss_release_cred) release_cred;
  decltype(&::gss_release_name) release_name;
  decltype(&::gss_unwrap) unwrap;
  decltype(&::gss_wrap) wrap;
  decltype(&::krb5_init_context) init_context;
  decltype(&::krb5_free_context) free_context;
  decltype(&::krb5_get_default_realm) get_default_realm;
  decltype(&::krb5_free_default_realm) free_default_realm;
  gss_OID mechanism;       // gss_mech_krb5
  gss_OID principal_name;  // GSS_KRB5_NT_PRINCIPAL_NAME
};

// Throws LoginError (login.h) if the library isn't installed.
const KerberosLibrary& kerberos();

}  // namespace zk::sasl
