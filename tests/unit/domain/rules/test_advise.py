from datetime import date

import pytest

from domain.models.data_source import Pool, PoolMode, TlsMode
from domain.models.fact import Fact
from domain.models.operation import Step, StepState
from domain.models.problem import Remedy
from domain.rules.advise import advise

TODAY = date(2026, 6, 1)

WELL = {
    "connect": {"address": "192.0.2.7:5432"},
    "tls": {"tls_version": "TLSv1.3", "certificate_expires_at": "2027-06-01T00:00:00Z"},
    "authenticate": {"server_version": "17.2", "server_end_of_life": "2029-11-08"},
    "authorize": {
        "max_connections": "100",
        "connections_in_use": "17",
        "reserved_connections": "3",
        "is_superuser": "no",
    },
    "latency": {"latency_p95": "5.0"},
}


def advised(
    measured: dict[str, str] = {},  # noqa: B006 — only read
    *,
    tls: TlsMode = TlsMode.VERIFY_FULL,
    pool: Pool = Pool(),  # noqa: B008 — frozen
    usual_ms: float | None = 4.0,
    without: tuple[str, ...] = (),
) -> list[tuple[str, Remedy]]:
    """What is advised when all is well except for what was measured otherwise."""
    steps = [
        Step(
            step,
            StepState.PASSED,
            1_000,
            facts=tuple(Fact(n, measured.get(n, value)) for n, value in facts.items() if n not in without),
        )
        for step, facts in WELL.items()
    ]
    advice = advise(steps, tls=tls, pool=pool, usual_latency_p95_ms=usual_ms, today=TODAY)
    return [(step, remedy) for step, remedies in advice.items() for remedy in remedies]


def only(advice: list[tuple[str, Remedy]]) -> tuple[str, Remedy]:
    assert len(advice) == 1
    return advice[0]


def test_nothing_is_advised_where_nothing_is_wrong() -> None:
    assert advised() == []


def test_nothing_is_advised_where_nothing_was_measured() -> None:
    assert advise([], tls=TlsMode.DISABLED, pool=Pool(size=10_000), usual_latency_p95_ms=1.0, today=TODAY) == {}


@pytest.mark.parametrize("name", [name for facts in WELL.values() for name in facts])
def test_a_fact_that_was_not_measured_brings_no_advice(name: str) -> None:
    assert advised(without=(name,)) == []


@pytest.mark.parametrize("name", [n for facts in WELL.values() for n in facts if n not in ("address", "tls_version")])
def test_a_fact_that_makes_no_sense_brings_no_advice(name: str) -> None:
    assert advised({name: "?"}) == []


@pytest.mark.parametrize("mode", [TlsMode.DISABLED, TlsMode.VERIFY_FULL])
def test_tls_off(mode: TlsMode) -> None:
    step, remedy = only(advised({"tls_version": "none"}, tls=mode))
    assert step == "tls"
    assert remedy.title == "Encrypt the connection"
    assert remedy.rests_on == ("tls_version",)


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1"])
def test_tls_too_old(version: str) -> None:
    assert only(advised({"tls_version": version}))[1].title == "Allow a newer TLS version"


def test_tls_without_a_look_at_the_certificate() -> None:
    step, remedy = only(advised(tls=TlsMode.REQUIRED))
    assert step == "tls"
    assert remedy.title == "Check the server's certificate"


@pytest.mark.parametrize(
    ("expires", "detail"),
    [
        ("2026-07-01T12:00:00+00:00", "ends on 2026-07-01 (in 30 days)"),
        ("2026-06-01T00:00:00Z", "ends on 2026-06-01 (in 0 days)"),
        ("2026-05-30", "ended on 2026-05-30 (2 days ago)"),
    ],
)
def test_certificate_ends_soon(expires: str, detail: str) -> None:
    step, remedy = only(advised({"certificate_expires_at": expires}))
    assert step == "tls"
    assert detail in remedy.detail
    assert remedy.rests_on == ("certificate_expires_at",)


def test_certificate_ends_in_good_time() -> None:
    assert advised({"certificate_expires_at": "2026-07-02"}) == []


@pytest.mark.parametrize(
    ("ends", "title"),
    [("2026-05-31", "Upgrade the server"), ("2026-11-12", "Plan the upgrade of the server")],
)
def test_end_of_life(ends: str, title: str) -> None:
    step, remedy = only(advised({"server_end_of_life": ends}))
    assert step == "authenticate"
    assert remedy.title == title
    assert ends in remedy.detail
    assert "17.2" in remedy.detail
    assert remedy.rests_on == ("server_end_of_life", "server_version")


def test_end_of_life_of_a_server_that_hides_its_version() -> None:
    assert only(advised({"server_end_of_life": "2020-01-01"}, without=("server_version",)))[1].rests_on == (
        "server_end_of_life",
    )


def test_superuser() -> None:
    step, remedy = only(advised({"is_superuser": "yes"}))
    assert step == "authorize"
    assert remedy.rests_on == ("is_superuser",)


@pytest.mark.parametrize(
    ("pool", "in_use", "is_advised"),
    [
        (Pool(size=60, max_overflow=20), "17", False),
        (Pool(size=60, max_overflow=21), "17", True),
        (Pool(size=1, max_overflow=0), "100", True),
        (Pool(size=60, max_overflow=21, mode=PoolMode.PGBOUNCER), "17", False),
    ],
)
def test_pool_larger_than_what_is_left(pool: Pool, in_use: str, is_advised: bool) -> None:
    advice = advised({"connections_in_use": in_use}, pool=pool)
    assert bool(advice) is is_advised
    assert all(
        remedy.rests_on == ("max_connections", "connections_in_use", "reserved_connections") for _, remedy in advice
    )


def test_a_server_that_keeps_no_connections_back() -> None:
    advice = advised({"connections_in_use": "95"}, without=("reserved_connections",))
    assert only(advice)[1].rests_on == ("max_connections", "connections_in_use")


@pytest.mark.parametrize(
    ("now_ms", "usual_ms", "is_advised"),
    [("24", 4.0, True), ("23", 4.0, False), ("299", 100.0, False), ("300", 100.0, True), ("300", None, False)],
)
def test_latency_far_from_its_own_past(now_ms: str, usual_ms: float | None, is_advised: bool) -> None:
    advice = advised({"latency_p95": now_ms}, usual_ms=usual_ms)
    assert bool(advice) is is_advised
    assert all((step, remedy.rests_on) == ("latency", ("latency_p95",)) for step, remedy in advice)


def test_advice_for_one_step_is_gathered() -> None:
    advice = advised({"certificate_expires_at": "2026-06-02", "is_superuser": "yes"}, tls=TlsMode.REQUIRED)
    assert [step for step, _ in advice] == ["tls", "tls", "authorize"]
