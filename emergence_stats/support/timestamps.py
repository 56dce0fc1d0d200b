"""Trusted timestamps (RFC 3161): an authority's signature that a digest existed at a time.

The protocol and the signatures are those of rfc3161-client, the extra `timestamps`; this module adds the
transport and what makes a response an answer to the request. Not checked: whether a certificate was revoked,
and whether the signed attributes name the certificate (RFC 5816). Not read: a response whose
certificates are not in the order of DER. Times are whole seconds, by the authority's clock.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException, HTTPResponse
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from emergence_stats.errors import UsageError
from emergence_stats.support.words import visible

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampRequest, TimeStampResponse

LARGEST_ANSWER = 1024**2  # bytes; answers have some thousand
_OLDEST = (1, 0, 9)  # before, a response was trusted if it brought the root of its own chain
_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"
_SHA256 = "2.16.840.1.101.3.4.2.1"
_INSTALL = "pip install 'emergence-stats[timestamps]'"
_LATER = "Try again later, or name another authority"
_OTHER = "Check the address, or name another authority"


@dataclass(frozen=True)
class Timestamp:
    """What an authority signed.

    `time`: in UTC. `authority`: subject of the certificate that signed, in the form of RFC 4514 with
    characters that a terminal could obey written out, or "unknown". `digest`: the imprint in hex, that is the
    hash of the text that was stamped.
    """

    time: datetime
    authority: str
    digest: str


def request_timestamp(digest: str, authority: str, timeout: float = 30.0) -> bytes:
    """The DER response of the authority at a URL, which stamps `digest`, a sha256 in lower-case hex.

    What is stamped is the sha256 of the 64 ASCII characters of `digest`, not of the bytes that they stand for.
    `timeout`, in seconds, is for the connection, for each wait and for the whole body. The response is an answer
    to this request: granted, with its nonce and its imprint, and with the certificate of its signer. That the
    signature is right is only known after `verify_timestamp`.

    Raises `UsageError` if there is no such answer, or if the extra `timestamps` is not installed.
    """
    _need_library()
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise UsageError(f"{digest!r} is not a sha256: 64 digits of lower-case hex")
    if not authority.lower().startswith(("http://", "https://")):
        raise _failure(
            authority, "the URL of a timestamp authority begins with http:// or https://"
        )
    builder = TimestampRequestBuilder(nonce=True, cert_req=True)
    query = builder.data(digest.encode("ascii")).hash_algorithm(HashAlgorithm.SHA256).build()
    response = _answer(query.as_bytes(), authority, timeout)
    try:
        _check_answers(_decoded(response), query)
    except ValueError as error:
        raise _failure(authority, str(error), _LATER) from None
    return response


def read_timestamp(response: bytes) -> Timestamp:
    """What a response says, unverified: anybody can make one that says this.

    Raises `ValueError` if it holds no timestamp, and `UsageError` if the extra `timestamps` is not installed.
    """
    _need_library()
    return _read(_decoded(response))


def verify_timestamp(response: bytes, digest: str, roots: Sequence[Path]) -> Timestamp:
    """What a response says, after it is verified.

    `digest` is the one given to `request_timestamp`. `roots` are PEM files of one or more certificates of
    authorities, each signed by itself. The signature is right, its certificate leads to one of the roots, is for
    timestamps and nothing else (critical extended key usage), and all certificates were valid at the time that
    the timestamp says. Certificates between come from the response or from `roots`.

    Raises `ValueError` with the reason, in one line, if the timestamp is not to be trusted, and `UsageError` if a
    file of `roots` cannot be read or the extra `timestamps` is not installed.
    """
    _need_library()
    from rfc3161_client import VerifierBuilder

    verifier = VerifierBuilder(roots=_certificates(roots)).build()
    decoded = _decoded(response)
    stamp = _read(decoded)
    if _imprint(decoded) != (_SHA256, hashlib.sha256(digest.encode("utf-8")).digest()):
        raise ValueError("the timestamp is of another digest")
    if _signer(decoded) is None:  # with two that fit, the name could be that of the wrong one
        raise ValueError("the timestamp does not hold exactly one certificate of its signer")
    try:
        with warnings.catch_warnings(action="ignore"):
            verified = verifier.verify_message(decoded, digest.encode("utf-8"))
    except Exception as error:
        raise ValueError(_reason(error)) from None
    if not verified:
        raise ValueError("the signature of the timestamp is wrong")
    return stamp


def _need_library() -> None:
    """Raise `UsageError` if rfc3161-client is not there or accepts forgeries."""
    try:
        import rfc3161_client  # noqa: F401

        found = version("rfc3161-client")
    except ImportError:
        raise UsageError(
            f"timestamps need rfc3161-client, which is not installed; install it with: {_INSTALL}"
        ) from None
    if tuple(int(part) for part in re.findall("[0-9]+", found)[:3]) < _OLDEST:
        raise UsageError(
            f"rfc3161-client {found} accepts forged timestamps; update it with: {_INSTALL}"
        )


def _failure(authority: str, problem: str, fix: str = _OTHER) -> UsageError:
    """The error of a request: where, what, and what to do. `problem` is safe to print."""
    return UsageError(f"{visible(authority)}: {problem}. {fix}.")


def _said(text: object) -> str:
    """What came from outside, for a message: safe to print, and not longer than a line or two."""
    return visible(str(text)[:200])


def _answer(query: bytes, authority: str, timeout: float) -> bytes:
    """The body of the answer to a DER request. Raises `UsageError` if there is none of the right type."""
    end = monotonic() + timeout
    headers = {"Content-Type": _QUERY, "Accept": _REPLY}
    try:
        request = Request(authority, data=query, headers=headers)
        with _opener().open(request, timeout=timeout) as answer:
            kind = answer.headers.get_content_type()
            if kind != _REPLY:
                raise _failure(authority, f"the answer is {_said(kind)}, not a timestamp")
            body = _body(answer, end)
    except HTTPError as error:
        error.close()
        status = _said(f"{error.code} {error.reason}".strip())
        raise _failure(authority, f"the answer is HTTP status {status}") from None
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise _failure(authority, f"no answer ({_said(reason)})") from None
    if body is None:
        raise _failure(authority, f"the answer is larger than {LARGEST_ANSWER:,} bytes")
    return body


def _opener() -> OpenerDirector:
    """HTTP through the proxies of the environment, and no redirection: it would lose the request."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(), HTTPHandler(), HTTPSHandler(), HTTPDefaultErrorHandler(), HTTPErrorProcessor(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener


def _body(answer: HTTPResponse, end: float) -> bytes | None:
    """All that comes, None if it is too large. Raises `OSError`, also after `end` of the monotonic clock."""
    body = bytearray()
    while part := answer.read1(64 * 1024):
        body += part
        if len(body) > LARGEST_ANSWER:
            return None
        if monotonic() > end:
            raise TimeoutError("timed out")
    return bytes(body)


def _check_answers(decoded: TimeStampResponse, query: TimeStampRequest) -> None:
    """Raise `ValueError` if the response answers another request or cannot be verified."""
    imprint = query.message_imprint
    with _foreign_bytes():
        nonce = decoded.tst_info.nonce
    if nonce != query.nonce:
        raise ValueError("the timestamp answers another request: it has another nonce")
    if _imprint(decoded) != (imprint.hash_algorithm.dotted_string, imprint.message):
        raise ValueError("the timestamp is of another digest")
    if _signer(decoded) is None:
        raise ValueError("the timestamp does not hold exactly one certificate of its signer")


@contextmanager
def _foreign_bytes() -> Iterator[None]:
    """Errors inside become one `ValueError`: libraries raise many kinds for malformed bytes, and warn of some."""
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except Exception as error:
        if "InvalidSetOrdering" in str(error):  # some authorities answer so, and OpenSSL reads it
            raise ValueError("the timestamp lists certificates out of the order of DER") from error
        raise ValueError("the answer is not a timestamp") from error


def _decoded(response: bytes) -> TimeStampResponse:
    """Raises `ValueError` for bytes that are no response, and for a refusal."""
    from rfc3161_client import PKIStatus, decode_timestamp_response

    with _foreign_bytes():
        decoded = decode_timestamp_response(response)
        status, words = decoded.status, decoded.status_string
    if status != PKIStatus.GRANTED:
        why = "; ".join(words) or f"status {status}"
        raise ValueError(f"the timestamp is refused ({_said(why)})")
    return decoded


def _read(decoded: TimeStampResponse) -> Timestamp:
    signer = _signer(decoded)
    with _foreign_bytes():
        time = decoded.tst_info.gen_time
        name = visible(signer.subject.rfc4514_string()) if signer else ""
    return Timestamp(time, name or "unknown", _imprint(decoded)[1].hex())


def _imprint(decoded: TimeStampResponse) -> tuple[str, bytes]:
    """The object identifier of the hash, and the hash."""
    with _foreign_bytes():
        imprint = decoded.tst_info.message_imprint
        return imprint.hash_algorithm.dotted_string, imprint.message


def _signer(decoded: TimeStampResponse) -> Certificate | None:
    """The certificate that signed; None if not exactly one that the response holds could have."""
    from cryptography.x509 import load_der_x509_certificate

    try:
        with _foreign_bytes():
            (info,) = decoded.signed_data.signer_infos
            named = (info.issuer, info.serial_number)
            held = map(load_der_x509_certificate, decoded.signed_data.certificates)
            (signer,) = [c for c in held if (c.issuer, c.serial_number) == named]
            return signer
    except ValueError:
        return None


def _certificates(roots: Sequence[Path]) -> list[Certificate]:
    """All certificates of PEM files. Raises `UsageError` if a file has none, or if there is no file."""
    from cryptography.x509 import load_pem_x509_certificates

    if not roots:
        raise UsageError(
            "a timestamp is verified with the certificates of authorities; none are given"
        )
    found = []
    for path in roots:
        try:
            found += load_pem_x509_certificates(path.read_bytes())
        except OSError as error:
            raise UsageError(f"{visible(str(path))}: {error.strerror}") from None
        except ValueError:
            raise UsageError(f"{visible(str(path))}: no certificates in the form of PEM") from None
    return found


def _reason(error: Exception) -> str:
    """Why a timestamp is not to be trusted, from an error that holds a stack of OpenSSL's."""
    text = str(error)
    if chain := re.search(r'Verify error: ?([^"]+)"', text):
        return f"the certificate of the timestamp is not accepted: {_said(chain[1])}"
    if reason := re.search(r'reason: "([^"]+)"', text):
        return f"the signature of the timestamp is wrong: {_said(reason[1])}"
    return f"the timestamp cannot be verified: {_said(text)}"
