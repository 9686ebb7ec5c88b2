"""TLS towards foreign systems: contexts from PEM content, handshakes with our errors, and what a handshake shows."""

import asyncio
import os
import ssl
import tempfile
from asyncio import StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cryptography import x509
from msgspec import Struct

from connectors.shared.deadlines import timed_out
from domain.errors import InvalidInput, Unreachable
from domain.models.data_source import TlsMode

_PHASE = "tls"

# https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_WHY_REJECTED = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed and no authority vouches for it",
    19: "it was signed by an unknown authority",
    20: "it was signed by an unknown authority",
    21: "its authority is not known",
    23: "it was revoked",
    62: "it was issued for another host name",
    64: "it was issued for another address",
}


class TlsFacts(Struct, frozen=True):
    """What a handshake showed."""

    version: str
    cipher: str
    certificate_expires_at: datetime | None


def client_context(
    mode: TlsMode,
    *,
    ca_pem: str | None = None,
    certificate_pem: str | None = None,
    key_pem: str | None = None,
) -> ssl.SSLContext | None:
    """The context that does what `mode` demands; None for DISABLED. Nothing is left on a disk.

    Without `ca_pem` the system's authorities are trusted. Raises `InvalidInput` whose path ends in `ca_pem`,
    `client_certificate_pem` or `tls_client_key`.
    """
    if mode is TlsMode.DISABLED:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # unlike the default context it writes no SSLKEYLOGFILE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = mode is TlsMode.VERIFY_FULL
    context.verify_mode = ssl.CERT_NONE if mode is TlsMode.REQUIRED else ssl.CERT_REQUIRED
    if ca_pem is not None:
        _trust(context, ca_pem)
    elif mode is not TlsMode.REQUIRED:
        context.load_default_certs()
    if certificate_pem is not None:
        _present(context, certificate_pem, key_pem)
    return context


def _trust(context: ssl.SSLContext, ca_pem: str) -> None:
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl.SSLError, ValueError, TypeError) as error:  # TypeError: not ASCII
        raise InvalidInput(
            "This is not a certificate in PEM form (-----BEGIN CERTIFICATE-----).",
            path=("tls", "ca_pem"),
            constraint="pem",
        ) from error


def _present(context: ssl.SSLContext, certificate_pem: str, key_pem: str | None) -> None:
    if key_pem is None:
        raise InvalidInput("A client certificate needs its private key.", path=("tls_client_key",))
    try:
        with _as_file(certificate_pem) as certificate, _as_file(key_pem) as key:
            # An empty password: OpenSSL would otherwise ask for one on our terminal.
            context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError, OSError) as error:
        raise InvalidInput(
            "The client certificate and its key are not a pair in PEM form, or the key is encrypted.",
            path=("tls", "client_certificate_pem"),
            constraint="pem",
        ) from error


@contextmanager
def _as_file(content: str) -> Iterator[Path]:
    """The content under a name, for as long as needed: OpenSSL's Python binding reads key pairs from files only."""
    if hasattr(os, "memfd_create"):  # Linux: memory that never had a name on a disk
        descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, content.encode())
            yield Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory() as folder:  # mode 0700
        path = Path(folder) / "pem"
        path.write_text(content)
        yield path


async def start_tls(writer: StreamWriter, context: ssl.SSLContext, host: str, *, timeout_s: float) -> None:
    """Makes an open connection encrypted, verified for `host` as `context` demands.

    Raises `Unreachable` in phase `tls`: CERTIFICATE_REJECTED, TLS_FAILED, CONNECTION_CLOSED, TIMED_OUT.
    The connection is closed then.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await writer.start_tls(context, server_hostname=server_name(host))
    except (OSError, ValueError) as error:
        writer.transport.abort()
        raise tls_error(error) from error
    except BaseException:
        writer.transport.abort()
        raise


def server_name(host: str) -> str:
    """The name that a certificate is checked against: `db.example.` is `db.example` there."""
    return host.rstrip(".")


def tls_error(error: Exception) -> Unreachable:
    """What went wrong in a handshake, in our words."""
    match error:
        case ssl.SSLCertVerificationError():
            why = _WHY_REJECTED.get(error.verify_code, "it does not stand the check")
            return Unreachable(
                "CERTIFICATE_REJECTED",
                f"The server's certificate is not accepted: {why}.",
                phase=_PHASE,
                vendor_code=f"X509_{error.verify_code}",
                retryable=False,
            )
        case TimeoutError():
            return timed_out(_PHASE)
        case ssl.SSLError():
            reason = getattr(error, "reason", None)  # OpenSSL's own name; asyncio raises some without
            return Unreachable(
                "TLS_FAILED", "No encrypted connection could be agreed on.", phase=_PHASE, vendor_code=reason
            )
        case OSError():
            return Unreachable("CONNECTION_CLOSED", "The server hung up during the TLS handshake.", phase=_PHASE)
        case _:
            return Unreachable("TLS_FAILED", "The host's name cannot be used for TLS.", phase=_PHASE, retryable=False)


def handshake_facts(connection: ssl.SSLObject | ssl.SSLSocket) -> TlsFacts:
    """Version, cipher and certificate expiry, also where the certificate is not checked."""
    cipher = connection.cipher()
    certificate = connection.getpeercert(binary_form=True)
    return TlsFacts(
        version=connection.version() or "unknown",
        cipher=cipher[0] if cipher else "unknown",
        certificate_expires_at=_expiry(certificate) if certificate else None,
    )


def _expiry(certificate: bytes) -> datetime | None:
    try:
        return x509.load_der_x509_certificate(certificate).not_valid_after_utc
    except (ValueError, TypeError):
        return None  # OpenSSL took it, a stricter reader does not: no fact is better than a guess
