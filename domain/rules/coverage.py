"""What the ended runs of a source have seen, and what follows: what was not read is neither removed nor seen again.

A run covers what lies in its scope, except what it could not read. `runs` are always newest first, as `remember` keeps
them. The path `()` as unread means the whole source: a run that was cut before it had listed everything.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from domain.models.discovery import Coverage, Freshness, Unreadable
from domain.models.operation import SyncMode
from domain.rules.match import namespace_in_scope, table_in_scope

MAX_RUNS = 100


def is_covered(path: Sequence[str], coverage: Coverage) -> bool:
    """Whether the run has read the table of this full path, or found that it is gone. A column's: its table's path."""
    return covering(coverage)(path)


def is_namespace_covered(path: Sequence[str], coverage: Coverage) -> bool:
    """Whether the run has listed the namespace, or found that it is gone."""
    return namespace_in_scope(path, coverage.scope) and not _is_below_any(path, _unread_paths(coverage))


def covering(coverage: Coverage) -> Callable[[Sequence[str]], bool]:
    """`is_covered` for many tables: each answer costs the same however much was unread."""
    unread = _unread_paths(coverage)
    return lambda path: table_in_scope(path, coverage.scope) and not _is_below_any(path, unread)


def last_seen_at(
    path: Sequence[str], runs: Sequence[Coverage], default: datetime, *, is_namespace: bool = False
) -> datetime:
    """When the newest run that covers a (not removed) table or namespace ended; `default`: when none is known to."""
    covers = is_namespace_covered if is_namespace else is_covered
    return next((run.at for run in runs if covers(path, run)), default)


def freshness(runs: Sequence[Coverage]) -> Freshness:
    """How much of the catalog is how old: the newest run, and all that no kept run has read since it failed.

    `coverage` is 1 when nothing is left unread, else the share that the newest run over the whole source has read.
    """
    if not runs:
        return Freshness()
    whole = next((at for at, run in enumerate(runs) if run.mode is not SyncMode.SELECTIVE), len(runs) - 1)
    unread: dict[tuple[str, ...], Unreadable] = {}
    newer: list[Callable[[tuple[str, ...]], bool]] = []
    for run in runs[: whole + 1]:
        for missed in run.unread:
            if missed.path not in unread and not any(has_read(missed.path) for has_read in newer):
                unread[missed.path] = missed
        newer.append(_reading(run))
    return Freshness(
        discovered_at=runs[0].at,
        mode=runs[0].mode,
        coverage=runs[whole].share if unread else 1.0,
        unread=tuple(unread[path] for path in sorted(unread)),
    )


def is_complete(coverage: Coverage) -> bool:
    """Whether the run has read everything that the source's own scope asks for: older runs tell nothing more."""
    return coverage.mode is not SyncMode.SELECTIVE and not coverage.unread


def remember(runs: Sequence[Coverage], new: Coverage) -> tuple[Coverage, ...]:
    """The runs to keep: back to the last complete one, at most 100 (then that one and the 99 newest)."""
    kept: list[Coverage] = []
    for run in (new, *runs):
        kept.append(run)
        if is_complete(run):
            break
    return tuple(kept) if len(kept) <= MAX_RUNS else (*kept[: MAX_RUNS - 1], kept[-1])


def _reading(run: Coverage) -> Callable[[tuple[str, ...]], bool]:
    """Whether the run has read what lies at a path, which may be a table's or a namespace's."""
    unread, scope = _unread_paths(run), run.scope
    return lambda path: (
        not _is_below_any(path, unread) and (table_in_scope(path, scope) or namespace_in_scope(path, scope))
    )


def _unread_paths(coverage: Coverage) -> frozenset[tuple[str, ...]]:
    return frozenset(missed.path for missed in coverage.unread)


def _is_below_any(path: Sequence[str], ancestors: frozenset[tuple[str, ...]]) -> bool:
    return bool(ancestors) and any(tuple(path[:length]) in ancestors for length in range(len(path) + 1))
