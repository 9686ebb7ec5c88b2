"""Every write answers what was done, or the problem that was in the way."""

from typing import Any

import pytest

from domain.models.access import Permission, Scope, Viewer
from tests.integration.api.graphql.conftest import DISCOVER, REGISTER, Client, MakeShop, Shop

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROBLEM = "... on Problem { __typename code message path retryable }"
MANY = f"""mutation ($input: [DataSourceInput!]!, $write: WriteOptions) {{
  registerDataSources(input: $input, write: $write) {{
    ... on DataSourcePayload {{ created unchanged dataSource {{ id name version owner tags }} }} {PROBLEM}
    ... on InvalidInputProblem {{ constraint }} ... on ConflictProblem {{ currentVersion }}
  }}
}}"""
UPDATE = f"""mutation ($id: ID!, $patch: DataSourcePatch!, $version: Int, $write: WriteOptions) {{
  updateDataSource(id: $id, patch: $patch, expectedVersion: $version, write: $write) {{
    ... on DataSourcePayload {{ unchanged dataSource {{
      id name version owner description tags properties pool {{ size maxOverflow }} status region
    }} }}
    {PROBLEM} ... on ConflictProblem {{ currentVersion }}
  }}
}}"""
DELETE = f"""mutation ($id: ID!, $version: Int, $write: WriteOptions) {{
  deleteDataSource(id: $id, expectedVersion: $version, write: $write) {{
    ... on DeletePayload {{ id deleted }} {PROBLEM} ... on ConflictProblem {{ currentVersion }}
  }}
}}"""
TEST = f"""mutation ($target: TargetInput!, $budget: Int = 30000) {{
  testConnection(target: $target, waitMs: 20000, budgetMs: $budget) {{
    ... on Operation {{ id kind state dataSource {{ name }} problems {{ code message }}
      steps {{ name state durationMs budgetMs mandatory facts {{ name value unit }}
               problem {{ code }} fix {{ title }} }} }}
    {PROBLEM}
  }}
}}"""


async def register(client: Client, *entries: dict[str, Any], **write: Any) -> list[Any]:
    data = await client.run(MANY, input=list(entries), write=write or None)
    answers: list[Any] = data["registerDataSources"]
    return answers


def sqlite(name: str, path: str = "/nowhere/x.db", **said: Any) -> dict[str, Any]:
    return {"name": name, "connection": {"sqlite": {"path": path}}, **said}


async def test_one_answer_for_each_entry_in_order(client: Client, shop: Shop):
    good, nameless, bare, again = await register(
        client,
        sqlite("w1", str(shop.path), tags=["a", "b"]),
        sqlite(" "),
        {"name": "w2"},
        sqlite("w1", str(shop.path)),
    )
    assert (good["created"], good["unchanged"], good["dataSource"]["tags"]) == (True, False, ["a", "b"])
    assert (nameless["__typename"], nameless["path"]) == ("InvalidInputProblem", ["input", "1", "name"])
    assert (bare["__typename"], bare["path"]) == ("InvalidInputProblem", ["input", "2", "connection"])
    assert (again["created"], again["unchanged"]) == (False, True)


@pytest.mark.parametrize("count", [0, 1_001])
async def test_a_list_of_another_size_is_one_problem(client: Client, count: int):
    (problem,) = await register(client, *[sqlite(f"many{index}") for index in range(count)])
    assert problem["__typename"] == "InvalidInputProblem"
    assert problem["path"] == ["input"]


async def test_a_null_that_cannot_be_cleared(client: Client):
    (problem,) = await register(client, {"name": "w3", "connection": None})
    assert (problem["__typename"], problem["path"]) == ("InvalidInputProblem", ["connection"])


async def test_the_same_key_answers_the_same(client: Client, shop: Shop):
    (first,) = await register(client, sqlite("w4", str(shop.path)), idempotencyKey="k1")
    (second,) = await register(client, sqlite("w4", str(shop.path)), idempotencyKey="k1")
    assert first == second
    (other,) = await register(client, sqlite("w5", str(shop.path)), idempotencyKey="k1")
    assert (other["__typename"], other["code"]) == ("ConflictProblem", "KEY_REUSED")


async def test_a_dry_run_changes_nothing(client: Client, shop: Shop):
    (said,) = await register(client, sqlite("w6", str(shop.path)), dryRun=True)
    assert said["created"] is True
    assert (await client.run('{ dataSource(by: {name: "w6"}) { id } }'))["dataSource"] is None


async def test_absent_is_unchanged_and_null_is_cleared(client: Client, shop: Shop):
    (made,) = await register(client, sqlite("w7", str(shop.path), owner="ann", tags=["x"], pool={"size": 9}))
    id = made["dataSource"]["id"]
    patch = {"description": "d", "properties": {"deep": [1, {"two": None}]}, "pool": {"maxOverflow": 1}}
    changed = (await client.run(UPDATE, id=id, patch=patch, version=1))["updateDataSource"]["dataSource"]
    assert (changed["owner"], changed["tags"], changed["version"]) == ("ann", ["x"], 2)
    assert changed["properties"] == {"deep": [1, {"two": None}]}
    assert changed["pool"] == {"size": 9, "maxOverflow": 1}
    cleared = (await client.run(UPDATE, id=id, patch={"owner": None, "tags": None, "properties": None, "pool": None}))[
        "updateDataSource"
    ]["dataSource"]
    assert (cleared["owner"], cleared["tags"], cleared["properties"], cleared["description"]) == (None, [], None, "d")
    assert cleared["pool"] == {"size": 5, "maxOverflow": 5}
    same = (await client.run(UPDATE, id=f"{id}@0", patch={}))["updateDataSource"]
    assert same["unchanged"] is True
    stale = (await client.run(UPDATE, id=id, patch={"owner": "bob"}, version=1))["updateDataSource"]
    assert (stale["__typename"], stale["currentVersion"]) == ("ConflictProblem", 3)
    taken = (await client.run(UPDATE, id=id, patch={"name": "shop"}))["updateDataSource"]
    assert taken["code"] == "NAME_TAKEN"
    for patch, path in (
        ({"name": None}, ["name"]),
        ({"pool": {"size": 0}}, ["pool", "size"]),
        ({"status": "DEGRADED"}, ["status"]),
    ):
        wrong = (await client.run(UPDATE, id=id, patch=patch))["updateDataSource"]
        assert (wrong["__typename"], wrong["path"]) == ("InvalidInputProblem", path)


async def test_deleting(client: Client, shop: Shop):
    (made,) = await register(client, sqlite("w8", str(shop.path)))
    id = made["dataSource"]["id"]
    stale = (await client.run(DELETE, id=id, version=7))["deleteDataSource"]
    assert (stale["__typename"], stale["currentVersion"]) == ("ConflictProblem", 1)
    wrong = (await client.run(DELETE, id=id, write={"idempotencyKey": ""}))["deleteDataSource"]
    assert (wrong["__typename"], wrong["path"]) == ("InvalidInputProblem", ["write", "idempotencyKey"])
    dry = (await client.run(DELETE, id=id, write={"dryRun": True}))["deleteDataSource"]
    assert dry == {"id": id, "deleted": False}
    assert (await client.run(DELETE, id=id))["deleteDataSource"] == {"id": id, "deleted": True}
    gone = (await client.run(DELETE, id=id))["deleteDataSource"]
    assert gone["__typename"] == "NotFoundProblem"
    (again,) = await register(client, sqlite("w8", str(shop.path)))
    assert again["dataSource"]["id"] != id


async def test_testing_a_connection(client: Client, shop: Shop):
    stored = (await client.run(TEST, target={"dataSource": shop.id}))["testConnection"]
    assert (stored["kind"], stored["state"], stored["dataSource"]) == ("CONNECTION_TEST", "SUCCEEDED", {"name": "shop"})
    assert [step["name"] for step in stored["steps"]] == [
        "resolve",
        "connect",
        "tls",
        "authenticate",
        "authorize",
        "read_catalog",
        "latency",
    ]
    draft = (await client.run(TEST, target={"draft": sqlite("w9")}))["testConnection"]
    assert (draft["state"], draft["dataSource"]) == ("FAILED", None)
    assert draft["problems"]
    change = {"dataSource": shop.id, "patch": {"connection": {"sqlite": {"path": "/nowhere/y.db"}}}}
    changed = (await client.run(TEST, target={"change": change}))["testConnection"]
    assert changed["state"] == "FAILED"
    assert (await client.run(TEST, target={"dataSource": shop.id}, budget=1))["testConnection"]["path"] == ["budgetMs"]
    gone = (await client.run(TEST, target={"dataSource": "src_nobody"}))["testConnection"]
    assert gone["__typename"] == "NotFoundProblem"


@pytest.mark.parametrize(
    "target", [{}, {"dataSource": None}, {"dataSource": "src_1", "draft": {"name": "x"}}, {"draft": {}}]
)
async def test_exactly_one_target(client: Client, target: dict[str, Any]):
    assert await client.code(TEST, target=target) == "GRAPHQL_VALIDATION_FAILED"


async def test_a_discovery_that_would_remove_much_waits_for_a_person(client: Client, make_shop: MakeShop):
    big = await make_shop("big")
    big.change(";".join(f"CREATE TABLE t{index} (id INTEGER PRIMARY KEY)" for index in range(20)))
    assert (await client.run(DISCOVER, id=big.id))["discover"]["publishedRevision"] == 2
    big.change(";".join(f"DROP TABLE t{index}" for index in range(20)))
    waiting = (await client.run(DISCOVER, id=big.id))["discover"]
    assert waiting["state"] == "AWAITING_CONFIRMATION"
    asked = await client.run(
        "query ($id: ID!) { operation(id: $id) { confirmation { token reason wouldRemove expiresAt } } }",
        id=waiting["id"],
    )
    confirmation = asked["operation"]["confirmation"]
    assert confirmation["wouldRemove"] == 20
    confirm = f"""mutation ($id: ID!, $token: String!) {{ confirmOperation(id: $id, token: $token) {{
      ... on Operation {{ state confirmation {{ token }} }} {PROBLEM} }} }}"""
    wrong = (await client.run(confirm, id=waiting["id"], token="guessed"))["confirmOperation"]
    assert (wrong["__typename"], wrong["path"]) == ("InvalidInputProblem", ["token"])
    right = (await client.run(confirm, id=waiting["id"], token=confirmation["token"]))["confirmOperation"]
    assert right["state"] in ("QUEUED", "RUNNING", "SUCCEEDED")
    cancel = f"mutation ($id: ID!) {{ cancelOperation(id: $id) {{ ... on Operation {{ state }} {PROBLEM} }} }}"
    assert "state" in (await client.run(cancel, id=waiting["id"]))["cancelOperation"]
    nobody = (await client.run(cancel, id="op_nobody"))["cancelOperation"]
    assert nobody["__typename"] == "NotFoundProblem"


async def test_a_discovery_that_fails_says_in_which_step(client: Client, make_shop: MakeShop):
    lost = await make_shop("lost")
    lost.path.unlink()
    document = """mutation ($id: ID!) { discover(input: {dataSource: $id}, waitMs: 20000) {
      ... on Operation { state steps { name state problem { code } } problems { code } } } }"""
    failed = (await client.run(document, id=lost.id))["discover"]
    assert failed["state"] == "FAILED"
    assert [(step["name"], step["state"]) for step in failed["steps"]] == [
        ("connect", "FAILED"),
        ("read", "SKIPPED"),
        ("publish", "SKIPPED"),
    ]
    assert [failed["steps"][0]["problem"]] == failed["problems"]


async def test_whoever_may_not_write_is_told_what_is_missing(client: Client, shop: Shop):
    reader = client.seen_by(
        Viewer(name="eve", kind="key", permissions=frozenset({Permission.SOURCE_READ}), scope=Scope())
    )
    (refused,) = (await reader.run(REGISTER, name="w10", path="/x"))["registerDataSources"]
    assert refused["code"] == "FORBIDDEN"
    deleted = await reader.run(
        "mutation ($id: ID!) { deleteDataSource(id: $id) { ... on ForbiddenProblem { needs code } } }", id=shop.id
    )
    assert deleted["deleteDataSource"] == {"needs": "SOURCE_WRITE", "code": "FORBIDDEN"}
    blind = client.seen_by(Viewer(name="eve", kind="key", permissions=frozenset(), scope=Scope()))
    answer = await blind.ask("{ dataSources { nodes { id } } eventLog { next } }")
    assert answer.data == {"dataSources": None, "eventLog": None}
    assert [error.extensions["code"] for error in answer.errors or ()] == ["FORBIDDEN", "FORBIDDEN"]
    assert (answer.errors or [])[0].extensions["needs"] == "SOURCE_READ"
    hidden = client.seen_by(
        Viewer(name="eve", kind="key", permissions=frozenset(Permission), scope=Scope(data_sources=frozenset()))
    )
    seen = await hidden.run(
        '{ dataSource(by: {name: "shop"}) { id } byFqn(fqn: "shop.main") { id } dataSources { nodes { id } } }'
    )
    assert seen == {"dataSource": None, "byFqn": None, "dataSources": {"nodes": []}}
