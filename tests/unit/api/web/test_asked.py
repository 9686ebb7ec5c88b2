import pytest

from api.web.answers import EVENT_STREAM, GRAPHQL_JSON, JSON, Refused
from api.web.asked import Asked, from_body, from_query_string, wanted_media_type


def test_all_parameters_of_a_body():
    body = b'{"query":"{a}","operationName":"A","variables":{"x":1},"extensions":{"y":2},"other":3}'
    assert from_body("application/json", body) == Asked("{a}", "A", {"x": 1}, {"y": 2})


def test_null_is_absent():
    body = b'{"query":"{a}","operationName":null,"variables":null,"extensions":null}'
    assert from_body("application/json; charset=UTF-8", body) == Asked("{a}")


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
        from_body("application/json", body)
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
        from_body(content_type, b'{"query":"{a}"}')
    assert refusal.value.status == 415


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
    ("accept", "media_type"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}; charset=utf-8", GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}, {JSON};q=0.9", GRAPHQL_JSON),
        (f"{JSON};q=0.5, {GRAPHQL_JSON}", GRAPHQL_JSON),
        (f"{JSON}, {GRAPHQL_JSON}", JSON),
        (EVENT_STREAM, EVENT_STREAM),
        ("TEXT/Event-Stream", EVENT_STREAM),
        ("text/html,application/xhtml+xml,*/*;q=0.8", JSON),
    ],
)
def test_what_a_client_likes_best(accept: str | None, media_type: str):
    assert wanted_media_type(accept) == media_type


@pytest.mark.parametrize("accept", ["text/html", "image/*", f"{JSON};q=0", f"{JSON};q=x"])
def test_what_cannot_be_served(accept: str):
    with pytest.raises(Refused) as refusal:
        wanted_media_type(accept)
    assert refusal.value.status == 406


def test_a_mutation_is_never_taken_for_something_else():
    assert Asked("mutation { a }").may_mutate
    assert not Asked("{ a }").may_mutate
