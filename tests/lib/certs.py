"""Certificates for scenarios, made by openssl(1) when they run."""

import os
import shutil
import ssl
import subprocess

from hearth import folder, skip


def _openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


class Authority:
    """A CA in a folder of its own; paths of what it has signed are name.crt and name.key there."""

    def __init__(self, name="ca"):
        if shutil.which("openssl") is None:
            skip("no openssl")
        self.folder = folder(name)
        self.ca, self.ca_key = self.path("ca.crt"), self.path("ca.key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", f"/CN={name}", "-keyout", self.ca_key, "-out", self.ca)

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, days=2, alternatives="DNS:localhost,IP:127.0.0.1"):
        """(certificate, key), put in place one after the other as most tools do; again: renewed."""
        crt, key = self.path(f"{name}.crt"), self.path(f"{name}.key")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                 "-keyout", key + ".new", "-out", crt + ".csr")
        with open(crt + ".ext", "w") as file:
            file.write(f"subjectAltName={alternatives}\n")
        _openssl("x509", "-req", "-in", crt + ".csr", "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial",
                 "-days", str(days), "-extfile", crt + ".ext", "-out", crt + ".new")
        os.rename(key + ".new", key)
        os.rename(crt + ".new", crt)
        return crt, key

    def client(self, pair=None):
        """What a client needs to trust this CA, and to show the certificate of `pair`."""
        context = ssl.create_default_context(cafile=self.ca)
        if pair is not None:
            context.load_cert_chain(*pair)
        return context
