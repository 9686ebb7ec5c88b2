import pytest
from strawberry.types.graphql import OperationType

from api.web.answers import EVENT_STREAM, GRAPHQL_JSON, JSON, MULTIPART, Refused
from api.web.asked import Accepted, Asked, accepted, check_content_type, from_body, from_query_string


def test_all_parameters_of_a_body():
    body = b'{"query":"{a}","operationName":"A","variables":{"x":1},"extensions":{"y":2},"other":3}'
    assert from_body(body) == Asked("{a}", "A", {"x": 1}, {"y": 2})


def test_null_is_absent():
    body = b'{"query":"{a}","operationName":null,"variables":null,"extensions":null}'
    assert from_body(body) == Asked("{a}")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'"x"',
        b"1",
        b"null",
        b"[]",
        b'[{"query":"{a}"}]',
        b"{}",
        b'{"query":null}',
        b'{"query":1}',
        b'{"query":["{a}"]}',
        b'{"query":"{a}","variables":"{}"}',
        b'{"query":"{a}","variables":[]}',
        b'{"query":"{a}","operationName":1}',
        b'{"query":"{a}","extensions":[]}',
        b'{"query":"\xff"}',
        b'{"query":"{a}"} trailing',
        b'{"query":NaN}',
        b"[" * 100_000,
        b'{"query":"{a}","variables":' + b'{"a":' * 100_000,
    ],
)
def test_other_bodies_are_bad_requests(body: bytes):
    with pytest.raises(Refused) as refusal:
        from_body(body)
    assert (refusal.value.status, refusal.value.code) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/json; charset=utf-16",
    ],
)
def test_only_json_is_taken(content_type: str | None):
    with pytest.raises(Refused) as refusal:
        check_content_type(content_type)
    assert refusal.value.status == 415


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON;charset=UTF-8", 'application/json; charset="utf-8"; x=y']
)
def test_json_in_utf_8_is_taken(content_type: str):
    check_content_type(content_type)


def test_a_query_string():
    parameters = {"query": "{a}", "operationName": "A", "variables": '{"x":"ü"}', "extensions": "{}", "other": "1"}
    assert from_query_string(parameters) == Asked("{a}", "A", {"x": "ü"}, {})


@pytest.mark.parametrize(
    "parameters", [{}, {"query": "{a}", "variables": "{"}, {"query": "{a}", "variables": "[]"}, {"variables": "{}"}]
)
def test_other_query_strings_are_bad_requests(parameters: dict[str, str]):
    with pytest.raises(Refused) as refusal:
        from_query_string(parameters)
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("accept", "single", "stream"),
    [
        (None, JSON, None),
        ("", JSON, None),
        ("*/*", JSON, None),
        ("application/*", JSON, None),
        (JSON, JSON, None),
        (GRAPHQL_JSON, GRAPHQL_JSON, None),
        (f"{GRAPHQL_JSON}; charset=utf-8", GRAPHQL_JSON, None),
        (f"{GRAPHQL_JSON}, {JSON};q=0.9", GRAPHQL_JSON, None),
        (f"{JSON};q=0.5, {GRAPHQL_JSON}", GRAPHQL_JSON, None),
        (f"{JSON}, {GRAPHQL_JSON}", JSON, None),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON, None),
        (EVENT_STREAM, None, EVENT_STREAM),
        ("TEXT/Event-Stream", None, EVENT_STREAM),
        (f"{EVENT_STREAM}, {JSON}", JSON, EVENT_STREAM),
        (f"{EVENT_STREAM}, */*;q=0.1", JSON, EVENT_STREAM),
        ("multipart/mixed;boundary=graphql;subscriptionSpec=1.0", None, MULTIPART),
        ('multipart/mixed; boundary="graphql"; subscriptionSpec="1.0", application/json', JSON, MULTIPART),
        (f"multipart/mixed;subscriptionSpec=1.0, {GRAPHQL_JSON}, {JSON}", GRAPHQL_JSON, MULTIPART),
        ("multipart/mixed;subscriptionSpec=1.0, text/event-stream", None, MULTIPART),
        ("multipart/mixed;subscriptionSpec=1.0;q=0.5, text/event-stream", None, EVENT_STREAM),
        # Other uses of multipart: incremental delivery, which this server does not do.
        (f"multipart/mixed;deferSpec=20220824,{JSON}", JSON, None),
        (f"multipart/mixed;incrementalSpec=v0.2,{GRAPHQL_JSON}", GRAPHQL_JSON, None),
        (f"multipart/mixed;subscriptionSpec=2.0,{JSON}", JSON, None),
    ],
)
def test_what_a_client_takes(accept: str | None, single: str | None, stream: str | None):
    assert accepted(accept) == Accepted(single, stream)


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "image/*",
        "multipart/mixed",
        "multipart/*",
        "text/*",
        ",;q=1",
        *(f"{JSON};q={quality}" for quality in ("0", "x", "nan", "-1", "1e9", "")),
    ],
)
def test_what_cannot_be_served(accept: str):
    with pytest.raises(Refused) as refusal:
        accepted(accept)
    assert refusal.value.status == 406


def test_a_mutation_is_never_taken_for_something_else():
    assert Asked("mutation { a }").may_hold(OperationType.MUTATION)
    assert not Asked("{ a }").may_hold(OperationType.MUTATION)
