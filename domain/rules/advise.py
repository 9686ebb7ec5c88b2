"""Advice that follows from what a connection test measured; none where nothing is wrong or nothing was measured.

The facts it reads, as connectors name them: `tls_version` ("none"
without TLS), `certificate_expires_at`, `server_version`, `server_end_of_life` (ISO dates or times), `max_connections`,
`reserved_connections`, `connections_in_use`, `is_superuser` ("yes", "no"), `latency_p95` (ms).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypeVar

from domain.models.data_source import Pool, PoolMode, TlsMode
from domain.models.operation import Step
from domain.models.problem import Remedy

_Value = TypeVar("_Value")

_END_OF_LIFE_SOON = timedelta(days=180)
_CERTIFICATE_SOON = timedelta(days=30)
_OLD_TLS = frozenset({"SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1"})  # deprecated by RFC 8996
_SLOWER_TIMES, _SLOWER_BY_MS = 3.0, 20.0


def advise(
    steps: Sequence[Step], *, tls: TlsMode, pool: Pool, usual_latency_p95_ms: float | None, today: date
) -> dict[str, tuple[Remedy, ...]]:
    """What would help, by the name of the step whose facts say so. `usual_latency_p95_ms`: of earlier checks."""
    facts = {fact.name: fact.value for step in steps for fact in step.facts}
    measured_in = {fact.name: step.name for step in steps for fact in step.facts}
    advice: dict[str, tuple[Remedy, ...]] = {}
    for remedy in (
        _encryption(facts, tls),
        _certificate(facts, today),
        _end_of_life(facts, today),
        _superuser(facts),
        _connections(facts, pool),
        _latency(facts, usual_latency_p95_ms),
    ):
        if remedy is not None:
            step = measured_in[remedy.rests_on[0]]
            advice[step] = (*advice.get(step, ()), remedy)
    return advice


def _encryption(facts: Mapping[str, str], mode: TlsMode) -> Remedy | None:
    version = facts.get("tls_version")
    if version is None:
        return None
    rests_on = ("tls_version",)
    if version == "none":
        return Remedy(
            "Encrypt the connection",
            "The connection is not encrypted: whoever sits on the way can read the password exchange and all data. "
            f"Let the server offer TLS and set the TLS mode to {TlsMode.VERIFY_FULL}.",
            rests_on,
        )
    if version in _OLD_TLS:
        return Remedy(
            "Allow a newer TLS version",
            f"The connection uses {version}, which is broken and deprecated. Let the server offer TLS 1.2 or newer.",
            rests_on,
        )
    if mode is TlsMode.REQUIRED:
        return Remedy(
            "Check the server's certificate",
            f"The connection is encrypted ({version}), but nobody checks to whom: a server in between would not be "
            f"noticed. Give the certificate of the authority that signed it, and set the TLS mode to "
            f"{TlsMode.VERIFY_FULL}.",
            rests_on,
        )
    return None


def _certificate(facts: Mapping[str, str], today: date) -> Remedy | None:
    ends = _read(facts, "certificate_expires_at", _date)
    if ends is None or ends - today > _CERTIFICATE_SOON:
        return None
    days = (ends - today).days
    when = f"ends on {ends} (in {days} days)" if days >= 0 else f"ended on {ends} ({-days} days ago)"
    return Remedy(
        "Renew the server's certificate",
        f"The certificate {when}. From then on, connections that check it fail.",
        ("certificate_expires_at",),
    )


def _end_of_life(facts: Mapping[str, str], today: date) -> Remedy | None:
    ends = _read(facts, "server_end_of_life", _date)
    if ends is None or ends - today > _END_OF_LIFE_SOON:
        return None
    version = facts.get("server_version", "of this server")
    if ends < today:
        title, tense = "Upgrade the server", f"has had no fixes, also of security holes, since {ends}"
    else:
        title, tense = "Plan the upgrade of the server", f"gets no fixes any more after {ends}"
    rests_on = ("server_end_of_life", "server_version") if "server_version" in facts else ("server_end_of_life",)
    return Remedy(title, f"Version {version} {tense}.", rests_on)


def _superuser(facts: Mapping[str, str]) -> Remedy | None:
    if facts.get("is_superuser") != "yes":
        return None
    return Remedy(
        "Connect as a user who may only read the catalog",
        "The user is a superuser. Headwater never writes, so whoever gets hold of this password gains far more than "
        "the connection needs.",
        ("is_superuser",),
    )


def _connections(facts: Mapping[str, str], pool: Pool) -> Remedy | None:
    most, in_use = _read(facts, "max_connections", int), _read(facts, "connections_in_use", int)
    reserved = _read(facts, "reserved_connections", int)
    if most is None or in_use is None or pool.mode is PoolMode.PGBOUNCER:
        return None
    wanted, left = pool.size + pool.max_overflow, most - in_use - (reserved or 0)
    if wanted <= left:
        return None
    kept = f" and {reserved} are kept for superusers" if reserved else ""
    return Remedy(
        "Make the pool smaller",
        f"The pool may open {wanted} connections ({pool.size} + {pool.max_overflow} overflow), but {in_use} of the "
        f"server's {most} are in use{kept}: {max(0, left)} are left for everybody.",
        ("max_connections", "connections_in_use", *(("reserved_connections",) if reserved else ())),
    )


def _latency(facts: Mapping[str, str], usual_ms: float | None) -> Remedy | None:
    now_ms = _read(facts, "latency_p95", float)
    if now_ms is None or usual_ms is None or now_ms < max(_SLOWER_TIMES * usual_ms, usual_ms + _SLOWER_BY_MS):
        return None
    return Remedy(
        "Find out what slows the connection",
        f"The 95th percentile of the round trips is {now_ms:.1f} ms; in its health checks it was {usual_ms:.1f} ms. "
        "Look at the server's load and at the network between.",
        ("latency_p95",),
    )


def _read(facts: Mapping[str, str], name: str, parse: Callable[[str], _Value]) -> _Value | None:
    """A fact's value; None when it was not measured, or says something that its name does not promise."""
    try:
        return parse(facts[name])
    except (KeyError, ValueError):
        return None


def _date(value: str) -> date:
    return datetime.fromisoformat(value).date()
