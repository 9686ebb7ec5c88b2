"""TLS contexts and handshakes, against a server on loopback with certificates made here."""

import asyncio
import os
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from connectors.shared.dialer import DialPolicy, GuardedDialer
from connectors.shared.tls import client_context, handshake_facts
from domain.errors import InvalidInput, Unreachable
from domain.models.data_source import TlsMode
from domain.ports.dialer import Address

AUTHORITY = trustme.CA()
AUTHORITY_PEM = AUTHORITY.cert_pem.bytes().decode()


@asynccontextmanager
async def tls_server(
    certificate: trustme.LeafCert | None, *, client_authority: trustme.CA | None = None
) -> AsyncIterator[int]:
    """A port that speaks TLS with this certificate, or hangs up at once without one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if certificate is not None:
                writer.write(b"hello")
                await reader.read()
        except OSError:
            pass
        finally:
            writer.close()

    if certificate is not None:
        certificate.configure_cert(context)
        if client_authority:
            client_authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context if certificate else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def handshake(port: int, context: ssl.SSLContext | None, host: str = "db.example") -> ssl.SSLObject:
    dialer = GuardedDialer(DialPolicy(allow_private=True))
    reader, writer = await dialer.connect(Address(host, "127.0.0.1", port), timeout_s=5, tls=context)
    found = writer.get_extra_info("ssl_object")
    assert isinstance(found, ssl.SSLObject)
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()
    return found


async def test_verifies_the_name_asked_for_not_the_address() -> None:
    expiry = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    async with tls_server(AUTHORITY.issue_cert("db.example", not_after=expiry)) as port:
        facts = handshake_facts(await handshake(port, client_context(TlsMode.VERIFY_FULL, ca_pem=AUTHORITY_PEM)))
    assert facts.version == "TLSv1.3"
    assert facts.cipher
    assert facts.certificate_expires_at == expiry


@pytest.mark.parametrize(
    ("mode", "accepts_other_name", "accepts_other_authority"),
    [(TlsMode.REQUIRED, True, True), (TlsMode.VERIFY_CA, True, False), (TlsMode.VERIFY_FULL, False, False)],
)
async def test_what_each_mode_demands(mode: TlsMode, accepts_other_name: bool, accepts_other_authority: bool) -> None:
    async def accepts(certificate: trustme.LeafCert) -> bool:
        async with tls_server(certificate) as port:
            try:
                facts = handshake_facts(await handshake(port, client_context(mode, ca_pem=AUTHORITY_PEM)))
            except Unreachable as error:
                return (error.problem.code, error.problem.phase) != ("CERTIFICATE_REJECTED", "tls")
        assert facts.certificate_expires_at is not None  # seen in every mode
        return True

    assert await accepts(AUTHORITY.issue_cert("other.example")) is accepts_other_name
    assert await accepts(trustme.CA().issue_cert("db.example")) is accepts_other_authority


async def test_says_what_is_wrong_with_a_certificate() -> None:
    async def why(certificate: trustme.LeafCert) -> tuple[str, str | None]:
        async with tls_server(certificate) as port:
            with pytest.raises(Unreachable) as rejected:
                await handshake(port, client_context(TlsMode.VERIFY_FULL, ca_pem=AUTHORITY_PEM))
            return rejected.value.problem.message, rejected.value.problem.vendor_code

    past = datetime.now(UTC) - timedelta(days=1)
    assert await why(AUTHORITY.issue_cert("db.example", not_after=past)) == (
        "The server's certificate is not accepted: it has expired.",
        "X509_10",
    )
    assert "another host name" in (await why(AUTHORITY.issue_cert("other.example")))[0]
    assert "unknown authority" in (await why(trustme.CA().issue_cert("db.example")))[0]


async def test_a_server_without_tls() -> None:
    async with tls_server(None) as port:
        with pytest.raises(Unreachable) as failed:
            await handshake(port, client_context(TlsMode.REQUIRED))
    assert failed.value.problem.phase == "tls"
    assert failed.value.problem.code in {"CONNECTION_CLOSED", "TLS_FAILED"}


async def test_presents_a_client_certificate_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    client = AUTHORITY.issue_cert("headwater")
    certificate = b"".join(pem.bytes() for pem in client.cert_chain_pems).decode()
    key = client.private_key_pem.bytes().decode()
    for without_memory_files in (False, True):
        if without_memory_files:
            monkeypatch.delattr(os, "memfd_create", raising=False)
        context = client_context(TlsMode.REQUIRED, certificate_pem=certificate, key_pem=key)
        assert not list(tmp_path.iterdir())
        async with tls_server(AUTHORITY.issue_cert("db.example"), client_authority=AUTHORITY) as port:
            assert handshake_facts(await handshake(port, context)).version == "TLSv1.3"


def test_bad_pem_is_bad_input() -> None:
    leaf = AUTHORITY.issue_cert("headwater")
    certificate, key = leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode()
    for arguments, path in (
        ({"ca_pem": "no"}, ("tls", "ca_pem")),
        ({"ca_pem": ""}, ("tls", "ca_pem")),
        ({"ca_pem": "é"}, ("tls", "ca_pem")),
        ({"certificate_pem": certificate}, ("tls_client_key",)),
        ({"certificate_pem": "no", "key_pem": key}, ("tls", "client_certificate_pem")),
        (
            {"certificate_pem": certificate, "key_pem": trustme.CA().private_key_pem.bytes().decode()},
            ("tls", "client_certificate_pem"),
        ),
    ):
        with pytest.raises(InvalidInput) as refused:
            client_context(TlsMode.VERIFY_FULL, **arguments)
        assert refused.value.problem.path == path


def test_disabled_needs_no_context() -> None:
    assert client_context(TlsMode.DISABLED, ca_pem="ignored") is None
