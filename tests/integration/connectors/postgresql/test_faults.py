"""Servers that hang, drip, hang up, babble or ask for what they must not get: all ends in time, nothing stays."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from connectors.postgresql import wire
from domain.errors import Unreachable
from domain.models.data_source import DiscoveryScope
from domain.models.discovery import DiscoveryRequest
from domain.models.operation import SyncMode
from domain.ports.connector import Target
from tests.integration.connectors.postgresql.support import (
    CONNECTOR,
    DIALER,
    check,
    discover,
    failure,
    nothing_left_behind,
    sessions,
    states,
    target,
)
from tests.servers.fault_proxy import Blackhole, CloseAfter, CutAfter, Drip, Fault, FaultProxy, Garbage
from tests.servers.postgresql import PostgresqlDatabase, PostgresqlServer, Tls

PASSWORD = "correct horse battery staple"
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def hostile(script: Script) -> AsyncIterator[tuple[Target, bytearray]]:
    """A server that does what the script says, how it is reached, and all that it is told."""
    told = bytearray()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            told.extend(await reader.read(4_096))
            await script(reader, writer)
            while chunk := await reader.read(4_096):
                told.extend(chunk)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    at = PostgresqlDatabase("127.0.0.1", server.sockets[0].getsockname()[1], "reader", PASSWORD, "shop")
    try:
        yield target(at), told
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.05)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


CLEAR_TEXT = message(b"R", struct.pack("!i", 3))
LET_IN = (
    message(b"R", struct.pack("!i", 0))
    + message(b"S", b"server_version\x0015.0\x00")
    + message(b"S", b"client_encoding\x00UTF8\x00")
    + message(b"K", struct.pack("!ii", 1, 2))
    + message(b"Z", b"I")
)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param([CLEAR_TEXT], id="at once"),
        pytest.param([CLEAR_TEXT[:1], CLEAR_TEXT[1:7], CLEAR_TEXT[7:]], id="in pieces"),
        pytest.param([message(b"N", b"SNOTICE\x00\x00") + CLEAR_TEXT], id="after a notice"),
        pytest.param([message(b"R", struct.pack("!i", 5) + b"salt"), CLEAR_TEXT], id="after md5"),
        pytest.param([message(b"R", struct.pack("!i", 10) + b"SCRAM-SHA-256\x00\x00"), CLEAR_TEXT], id="after scram"),
        pytest.param([message(b"R", struct.pack("!i", 3) + b"more")], id="with a tail"),
    ],
)
async def test_the_password_is_never_said_in_clear_text(asked: list[bytes]) -> None:
    async def ask(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in asked:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)

    async with nothing_left_behind(), hostile(ask) as (at, told):
        steps = await check(at, budget_s=3)
        health = await CONNECTOR.ping(at, DIALER, timeout_s=3)
        with pytest.raises(Unreachable) as refused:
            async with CONNECTOR.open(at, DIALER, deadline_s=3):
                pass
    assert failure(steps) == ("authenticate", "CLEAR_TEXT_REFUSED", None)
    assert health.problem is not None
    assert (health.problem.code, refused.value.problem.code) == ("CLEAR_TEXT_REFUSED", "CLEAR_TEXT_REFUSED")
    assert b"reader" in told
    assert PASSWORD.encode() not in told
    assert PASSWORD not in repr(steps) + repr(health) + repr(refused.value.problem)


async def test_over_tls_a_clear_text_password_is_said() -> None:
    server = PostgresqlServer(tls=Tls())
    await server.start()
    try:
        database = server.endpoint.database()
        (line, *_) = (await _hba(database)).splitlines()
        assert "scram" in line
        await _set_hba(database, "hostssl all all 127.0.0.1/32 password")
        assert states(await check(target(database, tls={"mode": "REQUIRED"})))[3] == "PASSED"
        await _set_hba(database, "host all all 127.0.0.1/32 password")
        assert failure(await check(target(database)))[1] == "CLEAR_TEXT_REFUSED"
    finally:
        await server.discard()


async def _hba(database: PostgresqlDatabase) -> str:
    connection = await database.connect()
    content: str = await connection.fetchval("SELECT pg_read_file(current_setting('hba_file'))")
    await connection.close()
    return content


async def _set_hba(database: PostgresqlDatabase, line: str) -> None:
    connection = await database.connect(ssl="prefer")
    await connection.execute(f"COPY (SELECT '{line}') TO '{await connection.fetchval('SHOW hba_file')}'")
    await connection.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(0.2)
    await connection.close()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Listens on and says nothing, as every script does at its end."""


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in LET_IN:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.04)


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hang_up_in_the_middle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(LET_IN[:12])
    await writer.drain()
    writer.close()


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
    await writer.drain()


async def promise_too_much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"R\x7f\xff\xff\xff")
    while True:
        writer.write(bytes(65_536))
        await writer.drain()


async def complain_and_break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"E\x00\x00\x00\x05\x00" * 1_000)  # an error whose fields end before they begin


async def ask_for_kerberos(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(message(b"R", struct.pack("!i", 7)))


async def let_in_and_hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(LET_IN)


async def let_in_and_babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(LET_IN)
    await reader.read(4_096)
    writer.write(b"\x00\xff\x17garbage\r\n" * 200)


async def let_in_and_answer_another_question(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(LET_IN)
    ready = message(b"Z", b"T")
    for _ in range(50):
        await reader.read(4_096)
        writer.write(message(b"C", b"BEGIN\x00") + ready)
        await writer.drain()


@pytest.mark.parametrize(
    ("script", "codes"),
    [
        (hang, {"TIMED_OUT"}),
        (drip, {"TIMED_OUT"}),
        (hang_up, {"CONNECTION_CLOSED"}),
        (hang_up_in_the_middle, {"CONNECTION_CLOSED"}),
        (babble, {"BAD_ANSWER"}),
        (promise_too_much, {"BAD_ANSWER"}),
        (complain_and_break_off, {"BAD_ANSWER", "STATEMENT_REJECTED"}),
        (ask_for_kerberos, {"AUTHENTICATION_UNSUPPORTED"}),
        (let_in_and_hang, {"TIMED_OUT"}),
        (let_in_and_babble, {"BAD_ANSWER", "CONNECTION_CLOSED", "TIMED_OUT"}),
        (let_in_and_answer_another_question, {"BAD_ANSWER", "CONNECTION_CLOSED", "TIMED_OUT"}),
    ],
)
async def test_a_server_that_is_none(script: Script, codes: set[str], caplog: pytest.LogCaptureFixture) -> None:
    async with hostile(script) as (at, _):
        steps = await check(at, budget_s=0.6)
        assert failure(steps)[1] in codes
        started = time.monotonic()
        health = await CONNECTOR.ping(at, DIALER, timeout_s=0.5)
        with pytest.raises(Unreachable) as refused:
            await discover(at, deadline_s=0.5)
        assert time.monotonic() - started < 2
    if health.problem is not None:  # the least question may get an answer that will do
        assert health.problem.code in codes
    assert refused.value.problem.code in codes
    assert "never retrieved" not in caplog.text
    assert "Fatal error" not in caplog.text
    assert asyncio.all_tasks() == {asyncio.current_task()}  # neither ours nor asyncpg's


async def let_in_and_flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(LET_IN)
    await reader.read(4_096)
    while True:
        writer.write(message(b"N", b"SNOTICE\x00M" + b"x" * 60_000 + b"\x00\x00"))
        await writer.drain()


async def test_an_answer_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_MAX_ANSWER_BYTES", 1_000_000)
    async with hostile(let_in_and_flood) as (at, _):
        health = await CONNECTOR.ping(at, DIALER, timeout_s=10)
        steps = await check(at)
    assert health.problem is not None
    assert (health.problem.code, health.problem.phase) == ("ANSWER_TOO_LARGE", "latency")
    assert failure(steps)[1] == "ANSWER_TOO_LARGE"


@pytest.mark.parametrize(
    "fault",
    [
        Blackhole(),
        Drip(20),
        CloseAfter(10),
        CloseAfter(700),
        CutAfter(1_500),
        Garbage(),
    ],
    ids=lambda fault: type(fault).__name__,
)
@pytest.mark.parametrize("is_encrypted", [False, True])
async def test_a_broken_path_to_a_good_server(
    fault: Fault, is_encrypted: bool, encrypting_server: PostgresqlServer, caplog: pytest.LogCaptureFixture
) -> None:
    database = encrypting_server.endpoint.database()
    async with FaultProxy(database.host, database.port) as proxy:
        at = target(database, port=proxy.port, tls={"mode": "REQUIRED" if is_encrypted else "DISABLED"})
        assert states(await check(at)) == ["PASSED"] * 7
        await proxy.set_fault(fault)
        steps = await check(at, budget_s=0.8)
        assert "FAILED" in states(steps)
        started = time.monotonic()
        health = await CONNECTOR.ping(at, DIALER, timeout_s=0.5)
        assert time.monotonic() - started < 1
        assert health.ok or health.problem is not None
        await proxy.heal()
        assert (await CONNECTOR.ping(at, DIALER, timeout_s=5)).ok
        for _ in range(100):
            if not proxy.open_connections:
                break
            await asyncio.sleep(0.05)
        assert proxy.open_connections == 0
    assert "never retrieved" not in caplog.text


async def test_a_conversation_that_breaks_in_the_middle(postgresql_database: PostgresqlDatabase) -> None:
    await postgresql_database.execute(";".join(f"CREATE TABLE t{number} (id int)" for number in range(50)))
    async with FaultProxy(postgresql_database.host, postgresql_database.port) as proxy:
        at = target(postgresql_database, port=proxy.port)
        for fault, code in ((CutAfter(10_000), "CONNECTION_CLOSED"), (CloseAfter(10_000), "CONNECTION_CLOSED")):
            await proxy.set_fault(fault)
            with pytest.raises(Unreachable) as broken:
                await discover(at, batch_tables=5)
            assert (broken.value.problem.code, broken.value.problem.phase) == (code, "read_catalog")
            assert broken.value.problem.retryable
        await proxy.set_fault(Drip(5_000))
        with pytest.raises(Unreachable) as late:
            await discover(at, batch_tables=5, deadline_s=1)
        assert late.value.problem.code == "TIMED_OUT"


async def test_who_stops_listening_leaves_no_session(postgresql_database: PostgresqlDatabase) -> None:
    await postgresql_database.execute(";".join(f"CREATE TABLE t{number} (id int)" for number in range(20)))
    request = DiscoveryRequest(SyncMode.FULL, DiscoveryScope(), {}, 30, batch_tables=2)
    at = target(postgresql_database)
    async with nothing_left_behind():
        steps = CONNECTOR.check(at, DIALER, budget_s=10)
        async for step in steps:
            if step.name == "authorize":
                break
        await steps.aclose()
        async with CONNECTOR.open(at, DIALER, deadline_s=10) as session:
            stream = session.discover(request)
            await anext(stream)
            await stream.aclose()
            again = [batch async for batch in session.discover(request)]
            assert sum(len(batch.found) for batch in again) == 20
        task = asyncio.create_task(_collect(at, request))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.sleep(0.04)
    assert await sessions(postgresql_database) == 0


async def _collect(at: Target, request: DiscoveryRequest) -> None:
    while True:
        async with CONNECTOR.open(at, DIALER, deadline_s=10) as session:
            async for _ in session.discover(request):
                pass
