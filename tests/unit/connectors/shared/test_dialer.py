"""The egress guard against every spelling of an address, links, and its own bounds."""

import asyncio
import socket
import time
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.shared.dialer import DialPolicy, GuardedDialer, forms, is_allowed
from domain.errors import Unreachable
from domain.ports.dialer import Address

OPEN = DialPolicy(allow_private=True)
CLOSED = DialPolicy(allow_private=False)


@pytest.mark.parametrize(
    "ip",
    [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",  # noqa: S104
        "0.1.2.3",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:5601:5601",  # Teredo: the client 169.254.169.254, written inverted
        "2001:0:a9fe:a9fe:8000:63bf:3fff:fdd2",  # Teredo: the server
        "2a01::5efe:169.254.169.254",
        "2a01::200:5efe:169.254.169.254",
    ],
)
def test_never_allowed(ip: str) -> None:
    assert not is_allowed(ip_address(ip), 5432, OPEN)


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "127.255.0.9",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "::1",
        "fd12:3456::1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",
    ],
)
def test_private_only_by_policy(ip: str) -> None:
    assert is_allowed(ip_address(ip), 5432, OPEN)
    assert not is_allowed(ip_address(ip), 5432, CLOSED)


@pytest.mark.parametrize("ip", ["93.184.216.34", "172.32.0.1", "2606:4700::1111", "64:ff9b::93.184.216.34", "9.9.9.9"])
def test_public_is_allowed(ip: str) -> None:
    assert is_allowed(ip_address(ip), 5432, CLOSED)


@given(st.ip_addresses(v=4))
def test_a_hidden_address_is_judged_as_the_plain_one(ip: IPv4Address) -> None:
    hidden = [
        IPv6Address(int(IPv6Address("::ffff:0:0")) + int(ip)),
        IPv6Address(int(IPv6Address("64:ff9b::")) + int(ip)),
        IPv6Address(int(IPv6Address("2002::")) + (int(ip) << 80)),
        IPv6Address(int(IPv6Address("2001:0:808:808::")) + (int(ip) ^ 0xFFFF_FFFF)),
    ]
    for form in hidden:
        assert ip in forms(form)
        for policy in (OPEN, CLOSED):
            assert is_allowed(form, 5432, policy) == is_allowed(ip, 5432, policy)


def test_our_own_endpoints_are_denied() -> None:
    policy = DialPolicy(
        allow_private=True,
        denied_endpoints=(("127.0.0.1", 8000), ("0.0.0.0", 6379), ("10.1.1.1", 5432)),  # noqa: S104
    )
    assert not is_allowed(ip_address("127.0.0.1"), 8000, policy)
    assert not is_allowed(ip_address("::ffff:127.0.0.1"), 8000, policy)
    assert is_allowed(ip_address("127.0.0.1"), 8001, policy)
    assert not is_allowed(ip_address("127.8.8.8"), 6379, policy)
    assert not is_allowed(ip_address("::1"), 6379, policy)
    assert is_allowed(ip_address("10.2.2.2"), 6379, policy)
    assert not is_allowed(ip_address("64:ff9b::10.1.1.1"), 5432, policy)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "017700000001", "localhost"])
async def test_every_spelling_of_loopback_is_found_out(host: str) -> None:
    with pytest.raises(Unreachable) as refused:
        await GuardedDialer(CLOSED).resolve(host, 5432, timeout_s=5)
    assert refused.value.problem.code == "ADDRESS_DENIED"
    assert refused.value.problem.phase == "resolve"
    addresses = await GuardedDialer(OPEN).resolve(host, 5432, timeout_s=5)
    assert {address.ip for address in addresses} <= {"127.0.0.1", "::1"}
    assert all(address.host == host for address in addresses)


async def test_a_mapped_address_becomes_the_plain_one() -> None:
    (address,) = await GuardedDialer(OPEN).resolve("::ffff:127.0.0.1", 5432, timeout_s=5)
    assert address.ip == "127.0.0.1"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a\0b", "x" * 300, "é" * 100, ".", "a..b", ""])
async def test_names_that_lead_nowhere(host: str) -> None:
    with pytest.raises(Unreachable) as missing:
        await GuardedDialer(CLOSED).resolve(host, 5432, timeout_s=10)
    assert missing.value.problem.code in {"HOST_NOT_FOUND", "ADDRESS_DENIED"}


async def test_a_resolver_that_hangs_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(0.5) or [])
    started = time.monotonic()
    with pytest.raises(Unreachable) as late:
        await GuardedDialer(OPEN).resolve("db.example", 5432, timeout_s=0.1)
    assert late.value.problem.code == "TIMED_OUT"
    assert time.monotonic() - started < 0.45


async def test_connect_reaches_the_vetted_address_and_no_other() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        reader, writer = await GuardedDialer(OPEN).connect(Address("db.example", "127.0.0.1", port), timeout_s=5)
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()
        with pytest.raises(Unreachable) as denied:
            await GuardedDialer(CLOSED).connect(Address("db.example", "127.0.0.1", port), timeout_s=5)
        assert denied.value.problem.code == "ADDRESS_DENIED"
    finally:
        server.close()
        await server.wait_closed()
    with pytest.raises(Unreachable) as refused:
        await GuardedDialer(OPEN).connect(Address("db.example", "127.0.0.1", port), timeout_s=5)
    assert (refused.value.problem.code, refused.value.problem.vendor_code) == ("CONNECTION_REFUSED", "ECONNREFUSED")


def test_files_stay_inside_their_folders(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    good, secret, link, circle = inside / "shop.db", outside / "secret.db", inside / "link.db", inside / "circle"
    good.write_bytes(b"")
    secret.write_bytes(b"")
    link.symlink_to(secret)
    circle.symlink_to(circle)
    dialer = GuardedDialer(DialPolicy(allow_private=True, file_roots=(inside,)))
    assert dialer.file(str(good)) == good.resolve()
    for path, code in {
        str(secret): "FILE_DENIED",
        str(link): "FILE_DENIED",
        f"{inside}/../outside/secret.db": "FILE_DENIED",
        f"{outside}/missing.db": "FILE_DENIED",
        f"{inside}/missing.db": "FILE_NOT_FOUND",
        str(inside): "FILE_NOT_FOUND",
        str(circle): "FILE_NOT_FOUND",
        "a\0b": "FILE_NOT_FOUND",
        "x" * 5_000: "FILE_NOT_FOUND",
    }.items():
        with pytest.raises(Unreachable) as refused:
            dialer.file(path)
        assert refused.value.problem.code == code, path
        assert str(tmp_path) not in refused.value.problem.message
    assert GuardedDialer(DialPolicy(allow_private=True, file_roots=None)).file(str(link)) == secret.resolve()
    with pytest.raises(Unreachable):
        GuardedDialer(DialPolicy(allow_private=True)).file(str(good))


def test_files_of_our_own_are_found_out_under_every_name(tmp_path: Path) -> None:
    ours, link, hard_link, other = (tmp_path / name for name in ("ours", "link", "hard link", "other"))
    ours.write_bytes(b"")
    other.write_bytes(b"")
    link.symlink_to(ours)
    hard_link.hardlink_to(ours)
    policy = DialPolicy(allow_private=True, file_roots=None, denied_files=(tmp_path / "not there yet", ours))
    dialer = GuardedDialer(policy)
    for path in (ours, link, hard_link, tmp_path / ".." / tmp_path.name / "ours"):
        with pytest.raises(Unreachable) as refused:
            dialer.file(str(path))
        assert refused.value.problem.code == "FILE_DENIED", path
    assert dialer.file(str(other)) == other.resolve()
