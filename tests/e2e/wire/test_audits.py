"""GraphQL over HTTP as graphql-http's audits of servers see it: all of them, the optional ones too."""

from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.javascript import told_by
from tests.servers.headwater import HeadwaterServer

# https://github.com/graphql/graphql-http/blob/main/implementations/graphql-http/README.md
_IDS = """
    0220 0221 0222 03D4 13EE 1B7A 22EB 28B9 2C94 2EA1 34A2 3E3A 423L 428F 4655
    4760 4761 4762 4763 47DE 51FE 556A 572B 58B0 58B1 58B2 58B3 5A70 5E5B 6A70
    6C00 6C01 6C02 6C03 74FF 78D5 7B9B 80D8 8161 82A3 865D 86EE 8764 94B0 94B1
    94B2 9ABE 9C48 A5BF B6DC B7N8 B8B3 BCF8 BF61 D586 D6D5 FDE2 LKJ0 LKJ1 LKJ2
    LKJ3
"""
AUDITS = _IDS.split()

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def results(demo_server: HeadwaterServer) -> dict[str, dict[str, Any]]:
    """What each audit found, by its id."""
    (found,) = await told_by("audits.js", demo_server.graphql_url)
    return dict(found)


async def test_these_are_all_audits(results: dict[str, dict[str, Any]]):
    assert len(AUDITS) == len(set(AUDITS)) == 61
    assert set(results) == set(AUDITS)


@pytest.mark.parametrize("audit", AUDITS)
async def test_an_audit(audit: str, results: dict[str, dict[str, Any]]):
    result = results[audit]
    # Not even a warning (SHOULD) or a notice (MAY).
    assert result["status"] == "ok", f"{result['name']}: {result.get('reason')}"
