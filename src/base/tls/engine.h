// One TLS connection without its socket: what arrived goes in, what has to be sent comes out, so that nothing blocks
// and whoever owns the socket decides when to read and write. Owned by its connection; one thread at a time.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/tls/context.h"

namespace base::tls {

class Engine {
 public:
  // `host`: a client's server, for SNI and, if the context verifies hosts, the check of the certificate. A client's
  // first bytes are in output() at once.
  explicit Engine(std::shared_ptr<const Context> context, const std::string& host = {});

  // Takes what the peer sent and appends what it meant to `plain`. False once the connection is of no use any more:
  // failure() tells why (empty: the peer closed it), and an alert may be in output().
  bool receive(ByteView sealed, Bytes& plain);
  // Seals what is to be sent into output(); only once established(), and also after the peer's goodbye.
  bool send(ByteView plain);
  // Tells the peer that nothing more comes.
  void close();

  bool established() const { return established_; }
  const std::string& failure() const { return failure_; }
  // What has to be sent, in order. Taking it leaves nothing.
  Bytes take_output();

  // The peer's subject as java.security.X500Principal.getName() writes it; empty without a certificate.
  std::string peer_subject() const;

 private:
  bool handshake();
  bool fail(int result);

  std::shared_ptr<const Context> context_;
  SslHandle ssl_;
  bool established_ = false;
  bool ended_ = false;   // nothing more comes
  bool failed_ = false;  // and nothing goes
  std::string failure_;
};

// Whether a client's first byte is that of a TLS handshake. No frame of ZooKeeper's or Kafka's begins with it.
constexpr std::uint8_t kHandshakeRecord = 0x16;

}  // namespace base::tls
