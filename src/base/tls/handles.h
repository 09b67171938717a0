// Owners of OpenSSL's objects, without OpenSSL's headers.
#pragma once

#include <memory>

struct X509_crl_st;
struct bio_st;
struct evp_pkey_st;
struct ssl_ctx_st;
struct ssl_st;
struct x509_st;
struct x509_store_ctx_st;

namespace base::tls {

struct Release {
  void operator()(bio_st* bio) const;  // and what it is pushed on
  void operator()(evp_pkey_st* key) const;
  void operator()(ssl_ctx_st* context) const;
  void operator()(ssl_st* ssl) const;
  void operator()(x509_st* certificate) const;
};

using BioHandle = std::unique_ptr<bio_st, Release>;
using KeyHandle = std::unique_ptr<evp_pkey_st, Release>;
using ContextHandle = std::unique_ptr<ssl_ctx_st, Release>;
using SslHandle = std::unique_ptr<ssl_st, Release>;
using CertificateHandle = std::unique_ptr<x509_st, Release>;

}  // namespace base::tls
