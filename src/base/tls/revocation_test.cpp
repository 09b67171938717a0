// Whom RevocationChecker lets pass, by lists in files and by responders that a test plays itself. What Java says of the same
// kinds was asked of ZooKeeper 3.9.4 (compat-tests/zookeeper-tls).
#include "base/tls/revocation.h"

#include <gtest/gtest.h>
#include <openssl/ocsp.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <atomic>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "base/testing/temp_dir.h"
#include "base/tls/testing/certificates.h"
#include "base/tls/testing/revocation_list.h"

namespace base::tls {
namespace {

using boost::asio::ip::tcp;
using testing::Extensions;
using testing::Identity;
using testing::kHour;
using testing::list_of;
using testing::make_authority;
using testing::make_identity;

// Answers one connection after the other as it is told, until it is destroyed.
class Responder {
 public:
  // Gets the body of a request, gives that of the answer; an empty one closes the connection.
  using Answer = std::function<std::string(const std::string&)>;

  Responder() : acceptor_(io_, {boost::asio::ip::address_v4::loopback(), 0}), thread_([this] { run(); }) {}
  ~Responder() {
    stop_ = true;
    boost::asio::io_context io;
    tcp::socket last(io);
    last.connect(acceptor_.local_endpoint());
    thread_.join();
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/a?b=c"; }
  // From now on header lines come for ever.
  void flood() { flood_ = true; }
  void answer(Answer answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  int asked() const { return asked_; }

 private:
  void run() {
    while (!stop_) {
      tcp::socket socket = acceptor_.accept();
      if (stop_) return;
      try {
        serve(socket);
      } catch (const boost::system::system_error&) {
        continue;  // the client went
      }
    }
  }

  void serve(tcp::socket& socket) {
    boost::asio::streambuf buffer;
    boost::asio::read_until(socket, buffer, "\r\n\r\n");
    std::istream in(&buffer);
    std::string line, request_line;
    std::size_t length = 0;
    bool has_host = false;
    std::getline(in, request_line);
    while (std::getline(in, line) && line != "\r") {
      has_host |= line.starts_with("Host: 127.0.0.1");
      if (line.starts_with("Content-Length: ")) length = std::stoul(line.substr(16));
    }
    std::string body(std::istreambuf_iterator<char>(in), {});
    const std::size_t had = body.size();
    body.resize(length);
    if (had < length) boost::asio::read(socket, boost::asio::buffer(body.data() + had, length - had));
    ++asked_;
    if (flood_) boost::asio::write(socket, boost::asio::buffer(std::string("HTTP/1.0 200 OK\r\n")));
    std::string lines;
    for (int i = 0; i < 1000; ++i) lines += "A: b\r\n";
    while (flood_) boost::asio::write(socket, boost::asio::buffer(lines));
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(has_host);
    EXPECT_NE(request_line.find(" /a?b=c HTTP/1.0"), std::string::npos) << request_line;
    const std::string content = answer_ ? answer_(body) : "";
    if (content.empty()) return;
    const std::string type = length == 0 ? "application/pkix-crl" : "application/ocsp-response";
    const std::string head = "HTTP/1.0 200 OK\r\nContent-Type: " + type + "\r\nContent-Length: ";
    boost::asio::write(socket, boost::asio::buffer(head + std::to_string(content.size()) + "\r\n\r\n" + content));
  }

  boost::asio::io_context io_;
  tcp::acceptor acceptor_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> asked_ = 0;
  std::atomic<bool> flood_ = false;
  std::mutex mutex_;
  Answer answer_;
  std::thread thread_;
};

// What a responder says, `status` as OpenSSL's V_OCSP_CERTSTATUS_*.
std::string ocsp_answer(const std::string& request, const Identity& signer, int status, long from_seconds = -60,
                        long until_seconds = kHour) {
  const auto* at = reinterpret_cast<const unsigned char*>(request.data());
  OCSP_REQUEST* asked = d2i_OCSP_REQUEST(nullptr, &at, static_cast<long>(request.size()));
  OCSP_CERTID* id = OCSP_onereq_get0_id(OCSP_request_onereq_get0(asked, 0));
  OCSP_BASICRESP* basic = OCSP_BASICRESP_new();
  ASN1_TIME* from = X509_gmtime_adj(nullptr, from_seconds);
  ASN1_TIME* until = X509_gmtime_adj(nullptr, until_seconds);
  OCSP_basic_add1_status(basic, id, status, 0, status == V_OCSP_CERTSTATUS_REVOKED ? from : nullptr, from, until);
  OCSP_basic_sign(basic, signer.certificate.get(), signer.key.get(), EVP_sha256(), nullptr, 0);
  OCSP_RESPONSE* response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
  unsigned char* bytes = nullptr;
  const int size = i2d_OCSP_RESPONSE(response, &bytes);
  std::string text(bytes, bytes + size);
  OPENSSL_free(bytes);
  OCSP_RESPONSE_free(response);
  OCSP_BASICRESP_free(basic);
  OCSP_REQUEST_free(asked);
  ASN1_TIME_free(from);
  ASN1_TIME_free(until);
  return text;
}

class RevocationTest : public ::testing::Test {
 protected:
  // OpenSSL's verdict on the chain of `peer`, of which `trusted` is in the trust store.
  static int verdict(RevocationChecker& checker, const Identity& peer, const Identity& trusted,
                     std::chrono::seconds within = std::chrono::seconds(8)) {
    X509_STORE* store = X509_STORE_new();
    X509_STORE_add_cert(store, trusted.certificate.get());
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    STACK_OF(X509)* sent = sk_X509_new_null();
    for (const Identity* issuer : peer.issuers) sk_X509_push(sent, issuer->certificate.get());
    X509_STORE_CTX* context = X509_STORE_CTX_new();
    X509_STORE_CTX_init(context, store, peer.certificate.get(), sent);
    EXPECT_EQ(X509_verify_cert(context), 1);
    const bool good = checker.check(context, within);
    const int error = X509_STORE_CTX_get_error(context);
    EXPECT_EQ(good, error == X509_V_OK);
    X509_STORE_CTX_free(context);
    sk_X509_free(sent);
    X509_STORE_free(store);
    return error;
  }
  static int verdict(Revocation kind, const Identity& peer, const Identity& trusted) {
    RevocationChecker checker(kind);
    return verdict(checker, peer, trusted);
  }

  Extensions list_at(const std::string& url) const { return {{NID_crl_distribution_points, "URI:" + url}}; }
  Extensions responder_at(const std::string& url) const { return {{NID_info_access, "OCSP;URI:" + url}}; }
  std::string file(const std::string& name, const std::string& bytes) {
    std::ofstream(directory_ / name, std::ios::binary) << bytes;
    return "file://" + std::string(directory_ / name);
  }
  static Identity client(const Identity& issuer, const Extensions& extensions) {
    return make_identity({{"CN", "client"}}, &issuer, false, {}, -kHour, kHour, extensions);
  }

  base::testing::TempDir directory_;
  const Identity authority_ = make_authority("authority");
  const Identity stranger_ = make_authority("stranger");
};

TEST_F(RevocationTest, ListsInFiles) {
  const std::string url = "file://" + std::string(directory_ / "list of it.crl");
  const std::string escaped = "file:" + std::string(directory_ / "list%20of%20it.crl");
  const Identity good = client(authority_, list_at(url)), revoked = client(authority_, list_at(url));
  const Identity by_escaped = client(authority_, list_at(escaped));
  EXPECT_EQ(verdict(Revocation::lists, good, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
  file("list of it.crl", list_of(authority_, {&revoked}));
  EXPECT_EQ(verdict(Revocation::lists, good, authority_), X509_V_OK);
  EXPECT_EQ(verdict(Revocation::lists, by_escaped, authority_), X509_V_OK);
  EXPECT_EQ(verdict(Revocation::lists, revoked, authority_), X509_V_ERR_CERT_REVOKED);
  EXPECT_EQ(verdict(Revocation::ocsp, good, authority_), X509_V_OK);  // no responder: its list
  EXPECT_EQ(verdict(Revocation::ocsp, revoked, authority_), X509_V_ERR_CERT_REVOKED);
  file("list of it.crl", list_of(authority_, {}, -kHour));
  EXPECT_EQ(verdict(Revocation::lists, good, authority_), X509_V_ERR_CRL_HAS_EXPIRED);
  file("list of it.crl", list_of(stranger_, {}));
  EXPECT_EQ(verdict(Revocation::lists, good, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
  file("list of it.crl", list_of(authority_, {}, kHour, &stranger_));
  EXPECT_EQ(verdict(Revocation::lists, good, authority_), X509_V_ERR_CRL_SIGNATURE_FAILURE);
  file("list of it.crl", "no list");
  EXPECT_EQ(verdict(Revocation::lists, good, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
}

TEST_F(RevocationTest, WhoNamesNothingIsRefusedUnlessTrustedItself) {
  const Identity silent = client(authority_, {});
  for (const Revocation kind : {Revocation::lists, Revocation::ocsp}) {
    EXPECT_EQ(verdict(kind, silent, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
    EXPECT_EQ(verdict(kind, silent, silent), X509_V_OK);
  }
  const Identity elsewhere = client(authority_, list_at("ldap://127.0.0.1/cn=x"));
  EXPECT_EQ(verdict(Revocation::lists, elsewhere, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
}

TEST_F(RevocationTest, EveryCertificateBelowTheTrustedOneIsChecked) {
  const std::string of_root = file("root.crl", list_of(authority_, {}));
  const Identity middle = make_identity({{"CN", "middle"}}, &authority_, true, {}, -kHour, kHour, list_at(of_root));
  const Identity silent = make_identity({{"CN", "silent"}}, &authority_, true);
  const std::string of_middle = file("middle.crl", list_of(middle, {})), of_silent = file("silent.crl", list_of(silent, {}));
  const Identity below = client(middle, list_at(of_middle)), below_silent = client(silent, list_at(of_silent));
  EXPECT_EQ(verdict(Revocation::lists, below, authority_), X509_V_OK);
  EXPECT_EQ(verdict(Revocation::lists, below_silent, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
  EXPECT_EQ(verdict(Revocation::lists, below_silent, silent), X509_V_OK);  // the one between is the trusted one
  file("root.crl", list_of(authority_, {&middle}));
  EXPECT_EQ(verdict(Revocation::lists, below, authority_), X509_V_ERR_CERT_REVOKED);
  EXPECT_EQ(verdict(Revocation::lists, below, middle), X509_V_OK);
}

TEST_F(RevocationTest, ListsOverHttpAreKnownForAWhile) {
  Responder server;
  const Identity good = client(authority_, list_at(server.url())), revoked = client(authority_, list_at(server.url()));
  server.answer([list = list_of(authority_, {&revoked})](const std::string&) { return list; });
  RevocationChecker checker(Revocation::lists);
  EXPECT_EQ(verdict(checker, good, authority_), X509_V_OK);
  EXPECT_EQ(verdict(checker, revoked, authority_), X509_V_ERR_CERT_REVOKED);
  EXPECT_EQ(server.asked(), 1);
  // One that arrives in many parts.
  server.answer([list = list_of(authority_, std::vector<const Identity*>(50'000, &revoked))](const std::string&) { return list; });
  EXPECT_EQ(verdict(Revocation::lists, good, authority_), X509_V_OK);
  EXPECT_EQ(verdict(Revocation::lists, revoked, authority_), X509_V_ERR_CERT_REVOKED);
  server.answer({});
  EXPECT_EQ(verdict(checker, good, authority_), X509_V_OK);
  EXPECT_EQ(verdict(Revocation::lists, good, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);  // closed without an answer
}

TEST_F(RevocationTest, Responders) {
  Responder server;
  const Identity peer = client(authority_, responder_at(server.url()));
  const Identity delegate = make_identity({{"CN", "responder"}}, &authority_, false, {}, -kHour, kHour,
                                          {{NID_ext_key_usage, "OCSPSigning"}});
  const Identity no_delegate = client(authority_, {});
  const auto with = [&](const Identity& signer, int status, long from = -60, long until = kHour) {
    server.answer([&, status, from, until](const std::string& request) {
      return ocsp_answer(request, signer, status, from, until);
    });
    return verdict(Revocation::ocsp, peer, authority_);
  };
  EXPECT_EQ(with(authority_, V_OCSP_CERTSTATUS_GOOD), X509_V_OK);
  EXPECT_EQ(with(delegate, V_OCSP_CERTSTATUS_GOOD), X509_V_OK);
  EXPECT_EQ(with(authority_, V_OCSP_CERTSTATUS_REVOKED), X509_V_ERR_CERT_REVOKED);
  // No verdict, and there is no list either.
  EXPECT_EQ(with(authority_, V_OCSP_CERTSTATUS_UNKNOWN), X509_V_ERR_UNABLE_TO_GET_CRL);
  EXPECT_EQ(with(stranger_, V_OCSP_CERTSTATUS_GOOD), X509_V_ERR_UNABLE_TO_GET_CRL);
  EXPECT_EQ(with(no_delegate, V_OCSP_CERTSTATUS_GOOD), X509_V_ERR_UNABLE_TO_GET_CRL);
  EXPECT_EQ(with(authority_, V_OCSP_CERTSTATUS_GOOD, -3 * kHour, -kHour), X509_V_ERR_UNABLE_TO_GET_CRL);
  // About another certificate.
  server.answer([&](const std::string& request) {
    std::string other = request;
    other.back() = static_cast<char>(other.back() ^ 1);  // the serial number is its end
    return ocsp_answer(other, authority_, V_OCSP_CERTSTATUS_GOOD);
  });
  EXPECT_EQ(verdict(Revocation::ocsp, peer, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
  server.answer([](const std::string&) { return std::string("no OCSP"); });
  EXPECT_EQ(verdict(Revocation::ocsp, peer, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
  EXPECT_EQ(verdict(Revocation::lists, peer, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);  // it isn't asked at all
}

TEST_F(RevocationTest, NobodyListens) {
  std::string url;
  {
    const Responder gone;
    url = gone.url();
  }
  const std::string list = file("list.crl", list_of(authority_, {}));
  const Identity nowhere = client(authority_, list_at(url));
  EXPECT_EQ(verdict(Revocation::lists, nowhere, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
  Extensions both = responder_at(url), second = list_at(url + ",URI:" + list);
  both.push_back(list_at(list).front());
  EXPECT_EQ(verdict(Revocation::ocsp, client(authority_, both), authority_), X509_V_OK);
  EXPECT_EQ(verdict(Revocation::lists, client(authority_, second), authority_), X509_V_OK);
}

TEST_F(RevocationTest, ListsMayBeOffByAQuarterOfAnHour) {
  const std::string url = file("list.crl", list_of(authority_, {}));
  const Identity peer = client(authority_, list_at(url)), revoked = client(authority_, list_at(url));
  const long minute = 60;
  const auto with = [&](long begins, long ends, const std::vector<const Identity*>& of_it = {}) {
    file("list.crl", list_of(authority_, of_it, ends, nullptr, begins));
    return verdict(Revocation::lists, peer, authority_);
  };
  EXPECT_EQ(with(-kHour, -10 * minute), X509_V_OK);
  EXPECT_EQ(with(-kHour, -10 * minute, {&peer}), X509_V_ERR_CERT_REVOKED);
  EXPECT_EQ(with(-kHour, -20 * minute), X509_V_ERR_CRL_HAS_EXPIRED);
  EXPECT_EQ(with(10 * minute, kHour), X509_V_OK);
  EXPECT_EQ(with(20 * minute, kHour), X509_V_ERR_CRL_NOT_YET_VALID);
  // One that counts for ever could be shown for ever by whoever stands between.
  file("list.crl", list_of(authority_, {}, std::nullopt));
  EXPECT_EQ(verdict(Revocation::lists, peer, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
}

TEST_F(RevocationTest, ASilentServerIsLeftAloneForAWhile) {
  Responder server;
  RevocationChecker by_responder(Revocation::ocsp), by_list(Revocation::lists);
  const Identity asks = client(authority_, responder_at(server.url())), reads = client(authority_, list_at(server.url()));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(verdict(by_responder, asks, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
  EXPECT_EQ(server.asked(), 1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(verdict(by_list, reads, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
  EXPECT_EQ(server.asked(), 2);
}

TEST_F(RevocationTest, WhoHadNoTimeShutsNobodyElseOut) {
  Responder server;
  const Identity reads = client(authority_, list_at(server.url())), asks = client(authority_, responder_at(server.url()));
  server.answer([list = list_of(authority_, {})](const std::string&) { return list; });
  RevocationChecker by_list(Revocation::lists), by_responder(Revocation::ocsp);
  EXPECT_EQ(verdict(by_list, reads, authority_, std::chrono::seconds(0)), X509_V_ERR_UNABLE_TO_GET_CRL);
  EXPECT_EQ(verdict(by_list, reads, authority_), X509_V_OK);
  EXPECT_EQ(verdict(by_responder, asks, authority_, std::chrono::seconds(0)), X509_V_ERR_UNABLE_TO_GET_CRL);
  server.answer([&](const std::string& request) { return ocsp_answer(request, authority_, V_OCSP_CERTSTATUS_GOOD); });
  EXPECT_EQ(verdict(by_responder, asks, authority_), X509_V_OK);
}

TEST_F(RevocationTest, AnEndlessHeaderEnds) {
  Responder server;
  server.flood();
  const Identity asks = client(authority_, responder_at(server.url()));
  EXPECT_EQ(verdict(Revocation::ocsp, asks, authority_), X509_V_ERR_UNABLE_TO_GET_CRL);
}

TEST_F(RevocationTest, TheListSpeaksWhereTheResponderDoesNot) {
  Responder server;
  const std::string url = file("list.crl", list_of(authority_, {}));
  Extensions both = responder_at(server.url());
  both.push_back(list_at(url).front());
  const Identity peer = client(authority_, both);
  EXPECT_EQ(verdict(Revocation::ocsp, peer, authority_), X509_V_OK);
  server.answer([&](const std::string& request) { return ocsp_answer(request, authority_, V_OCSP_CERTSTATUS_REVOKED); });
  EXPECT_EQ(verdict(Revocation::ocsp, peer, authority_), X509_V_ERR_CERT_REVOKED);
  server.answer([&](const std::string& request) { return ocsp_answer(request, stranger_, V_OCSP_CERTSTATUS_REVOKED); });
  EXPECT_EQ(verdict(Revocation::ocsp, peer, authority_), X509_V_OK);
  file("list.crl", list_of(authority_, {&peer}));
  EXPECT_EQ(verdict(Revocation::ocsp, peer, authority_), X509_V_ERR_CERT_REVOKED);
}

}  // namespace
}  // namespace base::tls
