"""A timestamp authority (RFC 3161) on 127.0.0.1, for tests.

The openssl command stamps and signs, so that the client under test and its server have little code in common.
"""

import os
import shutil
import subprocess
import threading
from contextlib import suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")

REPLY = "application/timestamp-reply"
STAMPING, SERVING = "1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.1"  # purposes of certificates

_CONFIGURATION = """
[tsa]
default_tsa = here
[here]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
ess_cert_id_alg = sha256
"""


class Authority:
    """A root, a certificate for stamping that it signed, and a server of the two.

        with Authority(tmp_path / "authority") as authority:
            response = request_timestamp(digest, authority.url)
        verify_timestamp(response, digest, [authority.root])

    `folder` is made, and holds keys and certificates; outside of `with` an authority serves nothing and can
    still `stamp`. Certificates are valid from 2000 to 2100. `answer` is a function from the DER request to HTTP
    status (a number, or a pair of number and words), content type, and an iterable of bytes; assign another for
    a server that misbehaves. `queries` are the content types and bodies that came. Inside of `with`, no proxy is
    used for 127.0.0.1.
    """

    url = ""

    def __init__(self, folder, name="Test"):
        self.folder, self._count = folder, count()
        folder.mkdir()
        (folder / "tsa.cnf").write_text(_CONFIGURATION)
        self.root = self.issue(f"{name} Root", by=None, authority=True)
        self.signer = self.issue(f"{name} Timestamps")
        self.answer, self.queries = self.granted, []

    def __enter__(self):
        self._server = HTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/tsa"
        self._before = {name: os.environ.get(name) for name in ("no_proxy", "NO_PROXY")}
        os.environ.update(dict.fromkeys(self._before, "127.0.0.1"))
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for name, value in self._before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value

    def granted(self, query):
        """An honest answer."""
        return 200, REPLY, [self.stamp(query)]

    def stamp(self, query, *, signer=None, along=()):
        """The DER response to a DER request; one that openssl cannot read is refused.

        `signer` is the PEM file of a certificate that openssl takes for stamping, with its key beside it;
        `along` are PEM files of certificates that the response holds too.
        """
        signer = signer or self.signer
        (self.folder / "query").write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query"]
        command += ["-signer", signer, "-inkey", signer.with_suffix(".key")]
        response = self._run([*command, *self._along("-chain", along)])
        return _sorted(response, [signer, *along])

    def sign(self, content, *, signer, along=()):
        """A response that says `content` (DER of a TSTInfo), signed with any certificate at all."""
        command = ["openssl", "cms", "-sign", "-binary", "-nodetach", "-nosmimecap"]
        command += ["-md", "sha256", "-outform", "DER"]
        command += ["-econtent_type", "1.2.840.113549.1.9.16.1.4"]
        command += ["-signer", signer, "-inkey", signer.with_suffix(".key"), "-in", "content"]
        (self.folder / "content").write_bytes(content)
        token = self._run([*command, *self._along("-certfile", along)])
        granted = der(0x30, der(0x02, b"\0"))
        return der(0x30, granted, _sorted(token, [signer, *along]))

    def issue(
        self,
        name,
        *,
        by="",
        authority=False,
        purposes=(STAMPING,),
        critical=True,
        years=(2000, 2100),
        serial=None,
    ):
        """A new key and its certificate, as the path of a PEM file; the key lies beside it (.key).

        `by` is the PEM file of the issuer, by default the root; None for a certificate that signs itself.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization as to
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        key = ec.generate_private_key(ec.SECP256R1())
        path = self.folder / f"{next(self._count)}.pem"
        path.with_suffix(".key").write_bytes(
            key.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, to.NoEncryption())
        )
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer, signs = subject, key
        if by is not None:
            by = by or self.root
            issuer = x509.load_pem_x509_certificate(by.read_bytes()).subject
            signs = to.load_pem_private_key(by.with_suffix(".key").read_bytes(), None)
        serial = serial or x509.random_serial_number()
        since, until = (datetime(year, 1, 1) for year in years)
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        theirs = x509.AuthorityKeyIdentifier.from_issuer_public_key(signs.public_key())
        builder = (
            x509.CertificateBuilder(issuer, subject, key.public_key(), serial, since, until)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(own, critical=False)
            .add_extension(theirs, critical=False)
        )
        if not authority:
            usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier(p) for p in purposes])
            builder = builder.add_extension(usage, critical=critical)
        path.write_bytes(builder.sign(signs, SHA256()).public_bytes(to.Encoding.PEM))
        return path

    def _along(self, option, paths):
        (self.folder / "along.pem").write_bytes(b"".join(path.read_bytes() for path in paths))
        return [option, "along.pem"] if paths else []

    def _run(self, command):
        command = [*command, "-out", "out"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        return (self.folder / "out").read_bytes()


def der(tag, *parts):
    """The DER of something with this tag and content, of fewer than 65,536 bytes."""
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def _sorted(signed, paths):
    """The same with its certificates in the order of DER, in which openssl does not write them."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    held = [x509.load_pem_x509_certificate(path.read_bytes()) for path in paths]
    held = [certificate.public_bytes(Encoding.DER) for certificate in held]
    held = [certificate for certificate in held if certificate in signed]
    start = min(map(signed.index, held), default=0)
    size = sum(map(len, held))
    return signed[:start] + b"".join(sorted(held)) + signed[start + size :]


def _handler(authority):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            query = self.rfile.read(int(self.headers["Content-Length"]))
            authority.queries.append((self.headers["Content-Type"], query))
            status, kind, parts = authority.answer(query)
            self.send_response(*((status,) if isinstance(status, int) else status))
            self.send_header("Content-Type", kind)
            self.end_headers()
            with suppress(ConnectionError):  # a client may have had enough
                for part in parts:
                    self.wfile.write(part)

        def log_message(self, *_):
            pass

    return Handler
