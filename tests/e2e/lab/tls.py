"""Certificates for the tests: a CA of our own, a good certificate, and each kind of bad one.

    pki = Pki(directory)
    Dovecot(cert=pki.good);  mailhaul ... ca-file=pki.ca
    pki.expired, pki.not_yet, pki.wrong_name, pki.self_signed, pki.other_ca
"""
import dataclasses
import functools
import hashlib
import os
import subprocess

HOST = "localhost"


@dataclasses.dataclass(frozen=True)
class Cert:
    cert: str
    key: str

    @property
    def pin(self):
        """SHA-256 of the public key in hexadecimal."""
        public = _openssl("x509", "-in", self.cert, "-noout", "-pubkey")
        return hashlib.sha256(_openssl("pkey", "-pubin", "-outform", "DER", data=public)).hexdigest()


def _openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=True).stdout


class Pki:
    def __init__(self, directory):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self.ca = self._make_ca("ca")

    def _path(self, name):
        return os.path.join(self.dir, name)

    def _key(self, name):
        path = self._path(name + ".key")
        _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
        return path

    def _make_ca(self, name):
        key, cert = self._key(name), self._path(name + ".pem")
        _openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=mailhaul lab %s" % name, "-days", "3650",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", cert)
        return cert

    def _issue(self, name, ca="ca", host=HOST, address="127.0.0.1", start=None, end=None, usage="serverAuth"):
        """`openssl ca` because only it takes the dates as they are given."""
        key, cert, request = self._key(name), self._path(name + ".pem"), self._path(name + ".csr")
        config, index = self._path(name + ".cnf"), self._path(name + ".idx")
        names = "DNS:%s%s" % (host, ",IP:" + address if address else "")
        with open(config, "w") as file:
            file.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nnew_certs_dir=%s\nrand_serial=yes\ndefault_md=sha256\n"
                       "policy=p\nunique_subject=no\nx509_extensions=x\ncertificate=%s\nprivate_key=%s\n"
                       "[p]\ncommonName=supplied\n[x]\nsubjectAltName=%s\nextendedKeyUsage=%s\n"
                       "basicConstraints=CA:FALSE\n"
                       % (index, self.dir, self._path(ca + ".pem"), self._path(ca + ".key"), names, usage))
        open(index, "w").close()
        _openssl("req", "-new", "-key", key, "-subj", "/CN=%s" % host, "-out", request)
        _openssl("ca", "-batch", "-notext", "-config", config, "-in", request, "-out", cert,
                 "-startdate", start or "20200101000000Z", "-enddate", end or "20491231000000Z")
        return Cert(cert, key)

    @functools.cached_property
    def good(self):
        return self._issue("good")

    @functools.cached_property
    def good_other_key(self):
        """Good, with another key: the wrong pin."""
        return self._issue("good-other-key")

    @functools.cached_property
    def expired(self):
        return self._issue("expired", start="20100101000000Z", end="20110101000000Z")

    @functools.cached_property
    def not_yet(self):
        return self._issue("not-yet", start="20480101000000Z", end="20490101000000Z")

    @functools.cached_property
    def wrong_name(self):
        return self._issue("wrong-name", host="other.example", address=None)

    @functools.cached_property
    def client(self):
        return self._issue("client", host="anna", address=None, usage="clientAuth")

    @functools.cached_property
    def other_ca(self):
        self._make_ca("unknown-ca")
        return self._issue("unknown", ca="unknown-ca")

    @functools.cached_property
    def self_signed(self):
        key, cert = self._key("self"), self._path("self.pem")
        _openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=" + HOST, "-days", "3650",
                 "-addext", "subjectAltName=DNS:%s,IP:127.0.0.1" % HOST, "-out", cert)
        return Cert(cert, key)
