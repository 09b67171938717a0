"""Authorities, certificates and stores, made by openssl and keytool for one run."""
import pathlib
import subprocess

PASSWORD = "store-secret"


class Certificates:
    def __init__(self, context):
        self.context = context
        self.directory = pathlib.Path(context.work) / "certificates"
        self.directory.mkdir()
        self.serial = 0

    def path(self, name):
        return self.directory / name

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=self.directory)

    def authority(self, name):
        """name.key, name.crt: signs itself."""
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                     f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        return name

    def issue(self, name, authority, subject, names="", days=2, more=""):
        """name.key, name.crt, name.pem with both, name.p12. `more`: extensions, a line each."""
        self.serial += 1
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-subj", subject,
                     "-multivalue-rdn", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        extensions = self.path(f"{name}.ext")
        basic = "" if "basicConstraints" in more else "basicConstraints=CA:FALSE\n"
        extensions.write_text(basic + more + (f"subjectAltName={names}\n" if names else ""))
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.crt", "-CAkey", f"{authority}.key",
                     "-set_serial", 1000 + self.serial, "-days", days, "-extfile", extensions, "-out", f"{name}.crt")
        self.path(f"{name}.pem").write_text(self.path(f"{name}.key").read_text() + self.path(f"{name}.crt").read_text())
        self.openssl("pkcs12", "-export", "-inkey", f"{name}.key", "-in", f"{name}.crt", "-name", name, "-passout",
                     f"pass:{PASSWORD}", "-out", f"{name}.p12")
        return name

    def keytool_trust_store(self, name, authority, kind):
        """A trust store as Java's own tool makes it."""
        target = self.path(name)
        self.context.run(["keytool", "-J-XX:TieredStopAtLevel=1", "-importcert", "-noprompt", "-alias", authority, "-file",
                          self.path(f"{authority}.crt"), "-keystore", target, "-storetype", kind, "-storepass", PASSWORD])
        return target

    def keytool_key_store(self, name, source):
        """The key of source.p12, moved by Java's own tool into a store in Java's old format."""
        target = self.path(name)
        self.context.run(["keytool", "-J-XX:TieredStopAtLevel=1", "-importkeystore", "-noprompt", "-srckeystore",
                          self.path(f"{source}.p12"), "-srcstoretype", "PKCS12", "-srcstorepass", PASSWORD,
                          "-destkeystore", target, "-deststoretype", "JKS", "-deststorepass", PASSWORD])
        return target
