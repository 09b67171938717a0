"""A Kerberos realm of the test's own: a KDC without privileges on a free port, all its files in one directory."""
import os
import shutil
import socket
import subprocess

from harness.process import Child, Failure, free_port, wait_until

REALM = "MILENA.TEST"


def program(name):
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not found:
        raise Failure(f"{name} is missing: apt-get install krb5-kdc krb5-admin-server")
    return found


class Kdc:
    def __init__(self, context):
        self.directory = context.work / context.name("kdc")
        self.directory.mkdir()
        port = free_port()
        self.config = self.directory / "krb5.conf"
        self.config.write_text(f"""[libdefaults]
default_realm = {REALM}
dns_lookup_kdc = false
dns_lookup_realm = false
rdns = false
dns_canonicalize_hostname = false
udp_preference_limit = 1
[realms]
{REALM} = {{
  kdc = 127.0.0.1:{port}
}}
""")
        profile = self.directory / "kdc.conf"
        profile.write_text(f"""[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}
[logging]
kdc = FILE:{self.directory}/krb5kdc.log
[realms]
{REALM} = {{
  database_name = {self.directory}/principal
  key_stash_file = {self.directory}/stash
  acl_file = {self.directory}/kadm5.acl
  supported_enctypes = aes256-cts:normal aes128-cts:normal
}}
""")
        self.environment = {"KRB5_CONFIG": str(self.config), "KRB5_KDC_PROFILE": str(profile)}
        self.command("kdb5_util", "create", "-s", "-P", "master", "-r", REALM)
        self.log = self.directory / "kdc.log"
        self.child = Child([program("krb5kdc"), "-n", "-r", REALM, "-P", self.directory / "pid"], self.log, env=self.environment)
        context.brokers.append(self)
        wait_until("the KDC", lambda: self.listens(port) or not self.child.running())
        if not self.child.running():
            raise Failure(self.child.text())

    def listens(self, port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def command(self, name, *arguments):
        done = subprocess.run([program(name), *arguments], env={**os.environ, **self.environment}, capture_output=True, check=False)
        if done.returncode != 0:
            raise Failure(f"{name}: {done.stderr.decode()}")

    def key_table(self, principal):
        path = self.directory / (principal.replace("/", "-") + ".keytab")
        self.command("kadmin.local", "-r", REALM, "-q", f"addprinc -randkey {principal}")
        self.command("kadmin.local", "-r", REALM, "-q", f"ktadd -k {path} {principal}")
        if not path.exists():
            raise Failure(f"no key table for {principal}")
        return path

    def kill(self):
        self.child.kill()
