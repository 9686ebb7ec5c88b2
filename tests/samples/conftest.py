"""Comparisons with databases of other people: HEADWATER_SAMPLES names the folder that holds them.

A sample is `NAME.sqlite`, or all files `NAME-sqlite*.sql` or `NAME-postgresql*.sql`, those with `schema` in their name
first. Without the variable nothing here is collected; the files are nobody's to commit.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.client import GraphqlClient
from tests.samples.loading import samples_in
from tests.samples.statements import COUNTED
from tests.servers.headwater import HeadwaterServer

_FOLDER = os.environ.get("HEADWATER_SAMPLES")
collect_ignore_glob = [] if _FOLDER else ["*"]

Counts = dict[str, dict[str, int]]
_COUNTS = pytest.StashKey[Counts]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for system in ("postgresql", "sqlite"):
        if f"{system}_sample" in metafunc.fixturenames and _FOLDER:
            samples = [sample for sample in samples_in(Path(_FOLDER).absolute()) if sample.system == system]
            metafunc.parametrize(f"{system}_sample", samples, ids=str)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def headwater() -> AsyncIterator[HeadwaterServer]:
    """A server that all samples share."""
    server = HeadwaterServer()
    await server.start()
    yield server
    await server.discard()


@pytest_asyncio.fixture
async def client(headwater: HeadwaterServer) -> AsyncIterator[GraphqlClient]:
    """Speaks with it."""
    async with GraphqlClient(headwater.graphql_url, timeout_s=100.0) as client:
        yield client


@pytest.fixture(scope="session")
def all_counts(pytestconfig: pytest.Config) -> Counts:
    """What is in each sample, for the summary."""
    return pytestconfig.stash.setdefault(_COUNTS, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = config.stash.get(_COUNTS, {})
    if not found:
        return
    width = max(map(len, found))
    terminalreporter.section("found in the samples, equal to what the databases say")
    terminalreporter.write_line(" | ".join(["sample".ljust(width), *COUNTED]))
    for sample, counts in sorted(found.items()):
        terminalreporter.write_line(
            " | ".join([sample.ljust(width), *(str(counts[name]).rjust(len(name)) for name in COUNTED)])
        )
