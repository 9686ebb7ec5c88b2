"""What clients get to see of a failure."""

import logging
from functools import cache

import pytest
from graphql import GraphQLError, parse

from api.graphql.context import Context
from api.graphql.errors import readable
from api.graphql.schema import HeadwaterSchema, build_schema
from api.graphql.types.problem import ConflictProblem, ForbiddenProblem, LimitedProblem, UnreachableProblem, problem
from domain.errors import Conflict, Forbidden, InvalidInput, Limited, NotFound, Unavailable, Unreachable
from domain.models.access import Permission, Scope, Viewer

SECRET = "hunter2"
ANYBODY = Viewer(name="ada", kind="local", permissions=frozenset(Permission), scope=Scope())


@cache
def served_schema() -> HeadwaterSchema:
    return build_schema()


class Broken:
    """Services that fail as nothing should."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"the database password is {SECRET}")


def context() -> Context:
    return Context(Broken(), ANYBODY)  # type: ignore[arg-type]


async def ask(query: str, **variables: object):
    return await served_schema().execute(query, variable_values=variables, context_value=context())


async def test_an_unexpected_failure_is_masked_and_logged_whole(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.ERROR):
        answer = await ask("{ dataSources { nodes { id } } }")
    (error,) = answer.errors
    assert answer.data == {"dataSources": None}
    assert SECRET not in str(error.formatted)
    assert error.extensions["code"] == "INTERNAL"
    assert error.formatted["path"] == ["dataSources"]
    (record,) = caplog.records
    assert error.extensions["id"] in record.getMessage()
    assert SECRET in str(record.exc_info)


async def test_an_unexpected_failure_of_a_subscription_is_masked():
    stream = await served_schema().subscribe("subscription { health { name } }", context_value=context())
    (answer,) = [one async for one in stream]
    assert answer.errors[0].extensions["code"] == "INTERNAL"
    assert SECRET not in str(answer.errors[0].formatted)


@pytest.mark.parametrize(
    ("query", "variables", "told"),
    [
        (
            '{ dataSource(by: {name: "x"}) { health { checks(last: 9999999999) { at } } } }',
            {},
            "Int cannot represent non 32-bit signed integer",
        ),
        ('{ dataSources(first: "1") { nodes { id } } }', {}, "Int cannot represent non-integer value."),
        ("{ dataSources(kinds: [ORACLE]) { nodes { id } } }", {}, "does not exist in 'DataSourceKind' enum"),
        ("{ dataSource(by: {}) { id } }", {}, "must specify exactly one key"),
        ("query ($by: DataSourceBy!) { dataSource(by: $by) { id } }", {"by": {}}, "must specify exactly one key"),
        ("query ($by: DataSourceBy!) { dataSource(by: $by) { id } }", {"by": {"id": None}}, "must be non-null"),
        ('{ table(fqn: "a", at: {time: "2026-01-01"}) { id } }', {}, "RFC 3339"),
        ('{ table(fqn: "a", at: {time: "2026-02-30T00:00:00Z"}) { id } }', {}, "no time of the calendar"),
        ('query ($t: DateTime!) { table(fqn: "a", at: {time: $t}) { id } }', {"t": 7}, "RFC 3339"),
        ("{ eventLog(after: 7) { next } }", {}, "a text that Headwater gave out"),
        ("{ nothing }", {}, "Cannot query field 'nothing'"),
    ],
)
async def test_a_wrong_document_is_told_what_is_wrong(query: str, variables: dict[str, object], told: str):
    answer = await ask(query, **variables)
    (error,) = answer.errors
    assert told in error.message
    assert error.extensions["code"] == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.parametrize("query", ["{", "{ a(" + "b: 1 " * 5_000 + ") }", "{ a" * 2_000, "{" * 20_000, '"', "\0"])
async def test_a_document_that_cannot_be_parsed(query: str):
    (error,) = (await ask(query)).errors
    assert error.extensions["code"] == "GRAPHQL_PARSE_FAILED"


PATCH = 'mutation ($p: DataSourcePatch!) { updateDataSource(id: "src_1", patch: $p) { __typename } }'


@pytest.mark.parametrize(
    "patch",
    [
        {"connection": {"postgresql": {"host": "h", "password": {"literal": SECRET}}}},
        {"connection": {"postgresql": {"host": "h", "database": "d", "user": "u", "password": SECRET}}},
        {"connection": {"postgresql": {"host": "h", "database": "d", "user": "u", "port": SECRET}}},
        {"connection": {"postgresql": {"host": "h", "database": "d", "user": "u", "pasword": {"literal": SECRET}}}},
        {"connection": SECRET},
        {"connection": {"postgresql": {"literal": SECRET, "nope": SECRET}}},
        {"environment": SECRET},
        {"tags": {"x": SECRET}},
        {"nmae": SECRET},
        SECRET,
    ],
)
async def test_no_message_shows_a_value(patch: object):
    answer = await ask(PATCH, p=patch)
    assert answer.errors
    assert SECRET not in str([error.formatted for error in answer.errors])


@pytest.mark.parametrize(
    "written",
    [
        f'connection: "{SECRET}"',
        f'connection: {{postgresql: {{host: "h", password: {{literal: "{SECRET}"}}}}}}',
        f'connection: {{postgresql: {{host: "h", database: "d", user: "u", password: "{SECRET}"}}}}',
        f"connection: {{postgresql: {{host: {SECRET}, database: 1, user: 2}}}}",
        f'connection: {{postgresql: {{host: "h", database: "d", user: "u", password: {{literal: {SECRET}}}}}}}',
        f'environment: "{SECRET}"',
        f"environment: {SECRET}",
        f'connection: {{postgresql: {{host: "h", database "{SECRET}"}}}}',
        f'"{SECRET}"',
        f'connection: """{SECRET}"""',
        f'tags: {{x: "{SECRET}"}}',
        f'nmae: "{SECRET}"',
    ],
)
async def test_no_message_shows_what_is_written_in_the_document(written: str):
    answer = await ask(f'mutation {{ updateDataSource(id: "src_1", patch: {{{written}}}) {{ __typename }} }}')
    assert answer.errors
    assert SECRET not in str([error.formatted for error in answer.errors])


def test_a_problem_keeps_its_facts():
    document = parse("{ a }")
    unreachable = Unreachable("AUTHENTICATION_FAILED", "No.", phase="authenticate", vendor_code="28P01")
    error = readable(GraphQLError("x", nodes=list(document.definitions), path=["a"], original_error=unreachable))
    assert error.message == "No."
    assert error.path == ["a"]
    assert error.extensions == {
        "code": "AUTHENTICATION_FAILED",
        "inputPath": [],
        "retryable": True,
        "phase": "authenticate",
        "vendorCode": "28P01",
    }


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (InvalidInput("m", path=("connection", "ca_pem"), constraint="pem"), "InvalidInputProblem"),
        (NotFound("m"), "NotFoundProblem"),
        (Forbidden("SOURCE_WRITE"), "ForbiddenProblem"),
        (Conflict("VERSION_CONFLICT", "m", current_version=3), "ConflictProblem"),
        (Unreachable("TIMED_OUT", "m", phase="connect"), "UnreachableProblem"),
        (Limited("m", retry_after_ms=5), "LimitedProblem"),
        (Unavailable("DISK_FULL", "m"), "UnavailableProblem"),
    ],
)
def test_every_kind_of_problem_has_its_type(error, name: str):
    shown = problem(error.problem)
    assert type(shown).__name__ == name
    assert (shown.code, shown.message, shown.retryable) == (
        error.problem.code,
        error.problem.message,
        error.problem.retryable,
    )
    match shown:
        case ConflictProblem():
            assert shown.current_version == 3
        case ForbiddenProblem():
            assert shown.needs.value == "SOURCE_WRITE"
        case UnreachableProblem():
            assert shown.phase == "connect"
        case LimitedProblem():
            assert shown.retry_after_ms == 5


def test_a_path_is_in_the_words_of_the_schema():
    shown = problem(InvalidInput("m", path=("input", "0", "connection", "ca_pem")).problem)
    assert shown.path == ["input", "0", "connection", "caPem"]
