"""The egress guard: the only way from a connector to an address, a socket or a file.

A name is resolved once, each address is checked in every form that it can be read as, and the connection goes to the
address that was checked. `ipaddress.is_global` is no guard: it calls 64:ff9b::a9fe:a9fe (the metadata service through
NAT64) global.
"""

import asyncio
import errno
import os
import socket
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

from msgspec import Struct

from connectors.shared.deadlines import Deadline, timed_out
from connectors.shared.tls import start_tls
from domain.errors import Unreachable
from domain.ports.dialer import Address

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

MAX_ADDRESSES = 16  # of one name; a resolver's answer is foreign input
_RESOLVER_THREADS = 16

# Never, whatever the policy says.
_DENIED: tuple[IpNetwork, ...] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # unspecified; Linux takes it for this machine
        "100.100.100.200/32",  # metadata: Alibaba Cloud
        "168.63.129.16/32",  # metadata: Azure's wire server
        "169.254.0.0/16",  # link-local; metadata of AWS, Azure, GCP, OpenStack …
        "192.0.0.0/24",  # IETF protocol assignments; metadata: Oracle Cloud
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/128",
        "64:ff9b:1::/48",  # NAT64 for local use: any IPv4 address may hide in it (RFC 8215)
        "100::/64",  # discard
        "fd00:ec2::/32",  # metadata: AWS
        "fd20:ce::254/128",  # metadata: GCP
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local, deprecated
        "ff00::/8",  # multicast
    )
)

# This machine and its own networks: only where the policy allows them.
_PRIVATE: tuple[IpNetwork, ...] = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "::1/128",
        "fc00::/7",
    )
)

_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


class DialPolicy(Struct, frozen=True):
    """Where connections may go and which files may be read.

    `denied_endpoints` are our own: each (ip, port) where we, our store or our Redis listen. An unspecified ip (0.0.0.0,
    ::) stands for every address of this machine. `file_roots` None: any file that this process may read, except
    `denied_files`: those of our store and its key, under whatever name they are asked for.
    """

    allow_private: bool
    file_roots: tuple[Path, ...] | None = ()
    denied_endpoints: tuple[tuple[str, int], ...] = ()
    denied_files: tuple[Path, ...] = ()


def forms(ip: IpAddress) -> tuple[IpAddress, ...]:
    """The address and every IPv4 address that a router or gateway may take out of it."""
    if isinstance(ip, IPv4Address):
        return (ip,)
    inner: list[IpAddress] = []
    if ip.ipv4_mapped is not None:
        return (ip.ipv4_mapped,)  # the kernel itself speaks IPv4 then
    if ip.sixtofour is not None:
        inner.append(ip.sixtofour)
    if ip.teredo is not None:
        inner.extend(ip.teredo)
    low = int(ip) & 0xFFFF_FFFF
    if ip in _NAT64 or (ip in _COMPATIBLE and int(ip) > 1) or (int(ip) >> 32) & 0xFFFF_FFFF in _ISATAP:
        inner.append(IPv4Address(low))
    return (ip, *inner)


def is_allowed(ip: IpAddress, port: int, policy: DialPolicy) -> bool:
    """Whether the policy lets us connect to `ip`, in each of its forms."""
    return all(_is_form_allowed(form, port, policy) for form in forms(ip))


def _is_form_allowed(ip: IpAddress, port: int, policy: DialPolicy) -> bool:
    if any(ip in network for network in _DENIED):
        return False
    if not policy.allow_private and any(ip in network for network in _PRIVATE):
        return False
    return not any(
        port == denied_port
        and (ip in forms(ip_address(denied)) or (ip_address(denied).is_unspecified and _is_ours(ip)))
        for denied, denied_port in policy.denied_endpoints
    )


def _is_ours(ip: IpAddress) -> bool:
    """Whether the address belongs to this machine: only then can a socket be bound to it. Nothing is sent."""
    if ip.is_loopback:
        return True
    family = socket.AF_INET if isinstance(ip, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(ip), 0))
    except OSError:
        return False
    return True


class GuardedDialer:
    """The one implementation of `Dialer`. Safe to share: it keeps no connection and no answer.

    `in_transaction` tells whether the caller holds a transaction of our own store. There nobody may speak to a foreign
    system, which could hold the store's locks for as long as it likes: a mistake of ours, hence an AssertionError.
    """

    def __init__(self, policy: DialPolicy, in_transaction: Callable[[], bool] = lambda: False) -> None:
        self._policy = policy
        self._in_transaction = in_transaction
        # Threads of its own: a name server that hangs holds up look-ups, nothing else.
        self._resolvers = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolve")

    async def resolve(self, host: str, port: int, *, timeout_s: float) -> tuple[Address, ...]:
        """The allowed addresses of `host`, in the resolver's order, at most 16."""
        self._check_caller()
        found = await self._look_up(host, port, timeout_s)
        allowed = tuple(Address(host, str(ip), port) for ip in found if is_allowed(ip, port, self._policy))
        if not allowed:
            raise _denied()
        return allowed

    async def _look_up(self, host: str, port: int, timeout_s: float) -> tuple[IpAddress, ...]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                answers = await loop.run_in_executor(self._resolvers, _ask_resolver, host, port)
        except TimeoutError as error:
            raise timed_out("resolve") from error
        except socket.gaierror as error:
            is_passing = error.errno == socket.EAI_AGAIN
            raise _not_found(retryable=is_passing) from error
        except (OSError, ValueError) as error:  # a name that cannot be asked for: NUL, too long, not IDNA
            raise _not_found(retryable=False) from error
        if not answers:
            raise _not_found(retryable=False)
        return answers

    async def connect(
        self, address: Address, *, timeout_s: float, tls: ssl.SSLContext | None = None
    ) -> tuple[StreamReader, StreamWriter]:
        """A connection to exactly this address, which is checked again: an `Address` can be made by anybody."""
        self._check_caller()
        if not is_allowed(ip_address(address.ip), address.port, self._policy):
            raise _denied()
        deadline = Deadline.after(timeout_s)
        try:
            async with asyncio.timeout(deadline.left_s):
                reader, writer = await asyncio.open_connection(address.ip, address.port)
        except OSError as error:
            raise connect_error(error) from error
        if tls is not None:
            await start_tls(writer, tls, address.host, timeout_s=deadline.left_s)
        return reader, writer

    def file(self, path: str) -> Path:
        """The real path of a file that may be read. Outside the configured folders nothing is said about existence."""
        self._check_caller()
        roots = self._policy.file_roots
        try:
            real = Path(path).resolve()
            is_inside = roots is None or any(real.is_relative_to(root.resolve()) for root in roots)
            is_readable = real.is_file() and os.access(real, os.R_OK)
            is_ours = is_readable and any(_is_same_file(real, denied) for denied in self._policy.denied_files)
        except (OSError, ValueError, RuntimeError) as error:  # too long, NUL, links in a circle
            raise _file_not_found() from error
        if not is_inside:
            raise _file_denied("This file lies outside the folders that sources may be read from.")
        if is_ours:
            raise _file_denied("This file is Headwater's own, and no data source.")
        if not is_readable:
            raise _file_not_found()
        return real

    def _check_caller(self) -> None:
        if self._in_transaction():
            raise AssertionError("a foreign system is spoken to while a transaction of our store is open")


def _ask_resolver(host: str, port: int) -> tuple[IpAddress, ...]:
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(_parse(str(sockaddr[0])) for _, _, _, _, sockaddr in answers)
    return tuple(addresses)[:MAX_ADDRESSES]


def _parse(text: str) -> IpAddress:
    """An IPv4 address inside an IPv6 one becomes what it is: the kernel would speak IPv4 to it."""
    ip = ip_address(text)
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


def _is_same_file(path: Path, other: Path) -> bool:
    """By what the file system says, so that a hard link or another mount of it is found out too."""
    try:
        return path.samefile(other)
    except FileNotFoundError:
        return False


def _not_found(*, retryable: bool) -> Unreachable:
    return Unreachable("HOST_NOT_FOUND", "The host's name leads to no address.", phase="resolve", retryable=retryable)


def _denied() -> Unreachable:
    return Unreachable(
        "ADDRESS_DENIED",
        "The host leads to an address that must not be connected to from here.",
        phase="resolve",
        retryable=False,
    )


def _file_denied(message: str) -> Unreachable:
    return Unreachable("FILE_DENIED", message, phase="resolve", retryable=False)


def _file_not_found() -> Unreachable:
    return Unreachable(
        "FILE_NOT_FOUND", "There is no file of this name that may be read.", phase="resolve", retryable=False
    )


def connect_error(error: OSError) -> Unreachable:
    """Why no connection came about, in our words; `vendor_code` is the errno's name."""
    code = errno.errorcode.get(error.errno or 0)
    match error:
        case ConnectionRefusedError():
            return Unreachable(
                "CONNECTION_REFUSED", "Nothing accepts connections on this port.", phase="connect", vendor_code=code
            )
        case TimeoutError():
            return timed_out("connect")
        case _:
            return Unreachable(
                "CONNECTION_FAILED", "No connection to this address can be made.", phase="connect", vendor_code=code
            )
