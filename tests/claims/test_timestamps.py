"""A digest is stamped by an authority, and nothing that an authority did not sign passes for a timestamp."""

import hashlib
import itertools
import socket
import subprocess
import sys
from datetime import UTC
from types import SimpleNamespace

import pytest

from emergence_stats.errors import UsageError
from emergence_stats.support import timestamps
from emergence_stats.support.timestamps import (
    LARGEST_ANSWER,
    read_timestamp,
    request_timestamp,
    verify_timestamp,
)
from tests.authority import REPLY, SERVING, STAMPING, Authority, der, needs_openssl

rfc3161_client = pytest.importorskip("rfc3161_client")
pytestmark = needs_openssl

DIGEST = hashlib.sha256(b"a lock").hexdigest()
OTHER = hashlib.sha256(b"another lock").hexdigest()


@pytest.fixture(scope="module")
def a(tmp_path_factory):
    """An authority that answers honestly unless a test has it answer otherwise, and its answer."""
    with Authority(tmp_path_factory.mktemp("authority") / "a") as authority:
        response = request_timestamp(DIGEST, authority.url)
        yield SimpleNamespace(authority=authority, response=response, root=authority.root)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """An authority that has the names of the first, and keys of its own."""
    return Authority(tmp_path_factory.mktemp("authority") / "b")


@pytest.fixture
def answers(a):
    """Let the authority answer by another function for one test."""
    yield lambda function: setattr(a.authority, "answer", function)
    a.authority.answer = a.authority.granted


def refusal(*words):
    """The DER of a response that refuses."""
    text = [der(0x30, *(der(0x0C, word.encode()) for word in words))] if words else []
    return der(0x30, der(0x30, der(0x02, b"\x02"), *text))


def query(text, algorithm=rfc3161_client.HashAlgorithm.SHA256):
    builder = rfc3161_client.TimestampRequestBuilder(text.encode(), algorithm)
    return builder.build().as_bytes()


def signed(a, signer, along=()):
    """The honest response signed anew with another certificate."""
    content = rfc3161_client.decode_timestamp_response(a.response).tst_info.as_bytes()
    return a.authority.sign(content, signer=signer, along=along)


def failure(a, digest=DIGEST):
    """The one line that a request ends with; it says which authority."""
    with pytest.raises(UsageError) as error:
        request_timestamp(digest, a.authority.url)
    message = str(error.value)
    assert message.startswith(f"{a.authority.url}: ")
    assert message.isprintable()
    assert len(message) < 700
    assert message.endswith("name another authority.")
    return message


# --- the honest way -----------------------------------------------------------------------------


def test_a_stamped_digest_verifies(a):
    stamp = verify_timestamp(a.response, DIGEST, [a.root])
    assert stamp == read_timestamp(a.response)
    assert stamp.authority == "CN=Test Timestamps"
    assert stamp.digest == hashlib.sha256(DIGEST.encode()).hexdigest()
    assert stamp.time.tzinfo is UTC
    assert 2000 < stamp.time.year < 2100


def test_what_is_sent_is_a_query_with_nonce_and_request_for_the_certificate(a):
    kind, body = a.authority.queries[0]
    assert kind == "application/timestamp-query"
    (a.authority.folder / "sent").write_bytes(body)
    shown = subprocess.run(
        ["openssl", "ts", "-query", "-in", a.authority.folder / "sent", "-text"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Hash Algorithm: sha256" in shown
    assert "Nonce: 0x" in shown
    assert "Certificate required: yes" in shown


def test_openssl_verifies_what_we_do(a, other):
    """The text of the digest is the message, so that `openssl ts -verify` needs no program of ours."""
    folder = a.authority.folder
    (folder / "message").write_text(DIGEST)
    (folder / "response").write_bytes(a.response)
    command = ["openssl", "ts", "-verify", "-in", "response", "-data", "message", "-CAfile"]
    assert subprocess.run([*command, a.root], cwd=folder, capture_output=True).returncode == 0
    assert subprocess.run([*command, other.root], cwd=folder, capture_output=True).returncode != 0


def test_a_root_may_lie_anywhere_among_the_files(a, other, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(other.root.read_bytes() + a.root.read_bytes())
    stamp = read_timestamp(a.response)
    assert verify_timestamp(a.response, DIGEST, [both]) == stamp
    assert verify_timestamp(a.response, DIGEST, [other.root, a.root, a.root]) == stamp


def test_a_chain_may_lie_in_the_response_or_in_the_files(a):
    between = a.authority.issue("Between", authority=True)
    below = a.authority.issue("Below", by=between)
    alone = a.authority.stamp(query(DIGEST), signer=below)
    with pytest.raises(ValueError, match="not accepted: unable to get local issuer"):
        verify_timestamp(alone, DIGEST, [a.root])
    assert verify_timestamp(alone, DIGEST, [a.root, between]).authority == "CN=Below"
    chain = a.authority.stamp(query(DIGEST), signer=below, along=[between])
    assert verify_timestamp(chain, DIGEST, [a.root]).authority == "CN=Below"
    with pytest.raises(ValueError, match="not accepted: unable to get issuer"):
        verify_timestamp(chain, DIGEST, [between])  # which does not sign itself


# --- what does not verify -----------------------------------------------------------------------


def test_a_timestamp_of_another_digest_does_not_verify(a):
    with pytest.raises(ValueError, match="another digest"):
        verify_timestamp(a.response, OTHER, [a.root])
    with pytest.raises(ValueError, match="another digest"):
        verify_timestamp(a.response, DIGEST.upper(), [a.root])
    long = a.authority.stamp(query(DIGEST, rfc3161_client.HashAlgorithm.SHA512))
    with pytest.raises(ValueError, match="another digest"):
        verify_timestamp(long, DIGEST, [a.root])


def test_another_root_of_the_same_name_does_not_do(a, other):
    with pytest.raises(ValueError, match="not accepted: unable to get local issuer"):
        verify_timestamp(a.response, DIGEST, [other.root])


def test_a_response_that_brings_its_own_root_is_not_trusted(a, other):
    forged = other.stamp(query(DIGEST), along=[other.root])
    assert verify_timestamp(forged, DIGEST, [other.root])
    with pytest.raises(ValueError, match="not accepted: self-signed certificate"):
        verify_timestamp(forged, DIGEST, [a.root])


@pytest.mark.parametrize(
    "options",
    [
        {"purposes": [SERVING]},
        {"purposes": [STAMPING, SERVING]},
        {"critical": False},
        {"years": (2000, 2010)},
        {"years": (2090, 2100)},
    ],
)
def test_a_certificate_that_is_not_for_stamping_now_does_not_do(a, options):
    assert verify_timestamp(signed(a, a.authority.signer), DIGEST, [a.root])
    forged = signed(a, a.authority.issue("Test Timestamps", **options))
    assert read_timestamp(forged) == read_timestamp(a.response)
    with pytest.raises(ValueError, match="the certificate of the timestamp is not accepted"):
        verify_timestamp(forged, DIGEST, [a.root])


def test_a_certificate_issued_by_one_that_is_no_authority_does_not_do(a):
    below = a.authority.issue("Below", by=a.authority.signer)
    forged = signed(a, below, [a.authority.signer])
    with pytest.raises(ValueError, match="not accepted: invalid CA certificate"):
        verify_timestamp(forged, DIGEST, [a.root])


def test_a_second_certificate_with_the_number_of_the_first_gives_no_name(a, other):
    """What lies beside a signature is not signed: anybody could add one with another subject."""
    signer = a.authority.issue("Test Timestamps", serial=77)
    twin = other.issue("A Notary", serial=77)
    response = signed(a, signer, [twin])
    assert read_timestamp(response).authority == "unknown"
    with pytest.raises(ValueError, match="exactly one certificate"):
        verify_timestamp(response, DIGEST, [a.root])


def test_no_byte_can_change_and_the_timestamp_say_something_else(a):
    """Three things beside the content are not signed: two versions, and how the signature is called."""
    stamp, passed = verify_timestamp(a.response, DIGEST, [a.root]), set()
    for place in range(len(a.response)):
        changed = bytearray(a.response)
        changed[place] ^= 1 << place % 7  # not the sign of a number
        try:
            assert verify_timestamp(bytes(changed), DIGEST, [a.root]) == stamp
            passed.add(place)
        except ValueError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017
            assert str(error).isprintable()  # noqa: PT017
    name = a.response.rindex(bytes.fromhex("06082a8648ce3d040302")) + 2
    versions = {place for place in passed if a.response[place - 2 : place] == b"\x02\x01"}
    assert len(versions) == 2
    assert passed - versions <= set(range(name, name + 8))


@pytest.mark.parametrize("cut", [0, 1, 5, 100, -1])
def test_a_piece_of_a_response_is_no_timestamp(a, cut):
    with pytest.raises(ValueError, match="not a timestamp"):
        read_timestamp(a.response[:cut])


def test_what_is_no_response_is_no_timestamp(a):
    granted = der(0x30, der(0x30, der(0x02, b"\0")))  # and without a token
    for response in (a.response + b"\n", b"<html>", granted):
        with pytest.raises(ValueError, match="the answer is not a timestamp"):
            read_timestamp(response)
        with pytest.raises(ValueError, match="the answer is not a timestamp"):
            verify_timestamp(response, DIGEST, [a.root])


def test_certificates_out_of_order_are_named(a):
    """A limit of the library: openssl verifies such a response."""
    response = a.authority.stamp(query(DIGEST), along=[a.root])
    held = sorted(rfc3161_client.decode_timestamp_response(response).signed_data.certificates)
    with pytest.raises(ValueError, match="out of the order of DER"):
        read_timestamp(response.replace(b"".join(held), b"".join(reversed(held))))


def test_roots_that_cannot_be_read_are_the_callers_error(a, tmp_path):
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(UsageError, match=r"missing\.pem: No such file"):
        verify_timestamp(a.response, DIGEST, [tmp_path / "missing.pem"])
    with pytest.raises(UsageError, match=r"empty\.pem: no certificates"):
        verify_timestamp(a.response, DIGEST, [a.root, empty])
    with pytest.raises(UsageError, match="none are given"):
        verify_timestamp(a.response, DIGEST, [])


# --- what authorities answer --------------------------------------------------------------------


def test_a_page_is_no_timestamp(a, answers):
    answers(lambda query: (200, "text/html", [b"<html>"]))
    assert "the answer is text/html, not a timestamp" in failure(a)
    answers(lambda query: (200, REPLY, [b"<html>"]))
    assert "the answer is not a timestamp" in failure(a)


@pytest.mark.parametrize("status", [302, 404, 500])
def test_another_status_is_no_timestamp(a, answers, status):
    answers(lambda query: (status, REPLY, a.authority.granted(query)[2]))
    assert f"the answer is HTTP status {status} " in failure(a)


def test_a_refusal_says_why(a, answers):
    answers(lambda query: a.authority.granted(b"no query"))
    assert "the timestamp is refused (Bad request format or system error.)" in failure(a)
    answers(lambda query: (200, REPLY, [refusal()]))
    assert "the timestamp is refused (status 2)" in failure(a)


def test_an_answer_to_another_request_is_refused(a, answers):
    answers(lambda query: (200, REPLY, [a.response]))
    assert "another nonce" in failure(a)
    text = read_timestamp(a.response).digest
    without = subprocess.run(
        ["openssl", "ts", "-query", "-sha256", "-digest", text, "-no_nonce", "-cert"],
        capture_output=True,
        check=True,
    ).stdout
    answers(lambda query: a.authority.granted(without))
    assert "another nonce" in failure(a)


def test_an_answer_of_another_digest_is_refused(a, answers):
    mine, yours = (hashlib.sha256(text.encode()).digest() for text in (DIGEST, OTHER))
    answers(lambda query: a.authority.granted(query.replace(mine, yours)))
    assert "the timestamp is of another digest" in failure(a)


def test_an_answer_without_a_certificate_is_refused(a, answers):
    required = der(0x01, b"\xff")
    answers(lambda query: a.authority.granted(der(0x30, query[2:].removesuffix(required))))
    assert "exactly one certificate" in failure(a)


def test_an_endless_answer_ends(a, answers):
    answers(lambda query: (200, REPLY, itertools.repeat(bytes(64 * 1024))))
    assert f"the answer is larger than {LARGEST_ANSWER:,} bytes" in failure(a)


def test_an_answer_that_trickles_ends(a, answers, monkeypatch):
    answers(lambda query: (200, REPLY, itertools.repeat(b"0")))
    clock = itertools.count(0, 20)
    monkeypatch.setattr(timestamps, "monotonic", lambda: next(clock))
    assert "no answer (timed out)" in failure(a)


def test_nobody_there_is_said():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        with pytest.raises(UsageError, match=rf"^{url}: no answer \(.*refused.*\)\. Check"):
            request_timestamp(DIGEST, url)


@pytest.mark.parametrize("url", ["file:///etc/hosts", "ftp://127.0.0.1/", "127.0.0.1", ""])
def test_only_the_web_is_asked(url):
    with pytest.raises(UsageError, match="begins with http:// or https://"):
        request_timestamp(DIGEST, url)


@pytest.mark.parametrize(
    "url", ["http://[", "http://", "http://127.0.0.1:port/", "http://a b\x1b/"]
)
def test_an_address_that_is_none_is_said(url):
    with pytest.raises(UsageError, match="no answer") as error:
        request_timestamp(DIGEST, url)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("digest", ["", "abc", DIGEST.upper(), DIGEST + "\n", DIGEST[:-1] + "١"])
def test_only_a_digest_is_stamped(a, digest):
    with pytest.raises(UsageError, match="is not a sha256"):
        request_timestamp(digest, a.authority.url)


def test_nothing_that_an_authority_says_moves_the_cursor(a, answers, tmp_path):
    """`failure` and the assertions here look at every character."""
    evil = "\x1b[31m\u202e::error::"
    answers(lambda query: (200, REPLY, [refusal(evil, "\n" * 9999)]))
    assert r"refused (\x1b[31m\u202e" in failure(a)
    answers(lambda query: ((500, "\x1b[31m"), REPLY, []))
    assert r"HTTP status 500 \x1b[31m" in failure(a)
    answers(lambda query: (200, "text/\x1b[31m", []))
    assert r"the answer is text/\x1b[31m" in failure(a)
    response = Authority(tmp_path / "evil", evil).stamp(query(DIGEST))
    assert read_timestamp(response).authority.startswith(r"CN=\x1b[31m\u202e")


# --- the library --------------------------------------------------------------------------------


@pytest.mark.parametrize("old", [None, "1.0.8"])
def test_the_library_is_asked_for(a, monkeypatch, old):
    """Up to 1.0.8 it trusted a root that a response brought."""
    if old:
        monkeypatch.setattr(timestamps, "version", lambda name: old)
    else:
        monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    for call in (
        lambda: request_timestamp(DIGEST, a.authority.url),
        lambda: read_timestamp(a.response),
        lambda: verify_timestamp(a.response, DIGEST, [a.root]),
    ):
        with pytest.raises(UsageError, match=r"pip install 'emergence-stats\[timestamps\]'"):
            call()
