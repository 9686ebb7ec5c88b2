"""What a running discovery has listed, read and could not read so far."""

from datetime import datetime

import msgspec

from domain.models.data_source import DiscoveryScope
from domain.models.discovery import Coverage, DiscoveryBatch, Unreadable
from domain.models.fact import Fact
from domain.models.operation import Operation, Step, StepState, SyncMode
from domain.models.problem import Problem
from domain.rules.progress import eta_s, share_done

_STEPS = ("connect", "read", "publish")


class Reading:
    """The book-keeping of one run. The names of the tables listed are held in memory, nothing else of them."""

    def __init__(self, operation: Operation, *, started_s: float, budget_ms: int) -> None:
        steps = tuple(Step(name, StepState.PENDING, budget_ms) for name in _STEPS)
        self.operation = msgspec.structs.replace(operation, steps=steps, problems=(), progress=0.0)
        self.has_listed = False
        self.problem: Problem | None = None
        self._begun_s = started_s
        self._told_s = started_s
        self._open: set[tuple[str, ...]] = set()  # listed, and not heard of since
        self._listed = 0
        self._unchanged = 0
        self._columns = 0
        self._unreadable: list[Unreadable] = []
        self._move("connect", StepState.RUNNING)

    def connected(self, now_s: float) -> None:
        """The session is open."""
        self._move("connect", StepState.PASSED, duration_ms=(now_s - self._begun_s) * 1_000)
        self._move("read", StepState.RUNNING)
        self._begun_s = self._told_s = now_s

    def took(self, batch: DiscoveryBatch) -> None:
        """A batch was staged."""
        self.has_listed = True
        self._listed += len(batch.listed)
        self._open.update(batch.listed)
        for found in batch.found:
            self._open.discard(found.table.path)
            self._columns += len(found.table.columns)
        for unchanged in batch.unchanged:
            self._open.discard(unchanged.path)
        self._unchanged += len(batch.unchanged)
        self._unreadable.extend(batch.unreadable)
        for unread in batch.unreadable:
            self._open.discard(unread.path)

    def is_due(self, now_s: float, every_s: float) -> bool:
        """Whether progress was last told that long ago."""
        return now_s - self._told_s >= every_s

    def told(self, now_s: float) -> None:
        """Progress was told."""
        self._told_s = now_s

    def progressed(self, now_s: float) -> Operation:
        """The operation with its progress up to now."""
        done = self._listed - len(self._open)
        elapsed_s = now_s - self._begun_s
        self.operation = msgspec.structs.replace(
            self.operation,
            progress=share_done(done, self._listed),
            eta_s=eta_s(done, self._listed, elapsed_s),
            counts=self.counts(),
        )
        return self.operation

    def cut(self, problem: Problem) -> None:
        """The stream broke; what it had listed and not sent was not read."""
        self.problem = problem

    def ended(self, now_s: float) -> None:
        """Nothing more will be read."""
        self.has_listed = self.has_listed or self.problem is None
        state = StepState.PASSED if self.problem is None and not self._unreadable else StepState.WARNED
        self._move("read", state, duration_ms=(now_s - self._begun_s) * 1_000, problem=self.problem)

    def coverage(self, at: datetime, mode: SyncMode, scope: DiscoveryScope) -> Coverage:
        """What the run saw of what there is."""
        reason = "Not read: " + (self.problem.message if self.problem else "the source listed it and did not send it.")
        unread = (*self._unreadable, *(Unreadable(path, reason) for path in sorted(self._open)))
        share = 1.0 if not self._listed else (self._listed - len(self._open)) / self._listed
        if self._unreadable and self._listed:
            share = max(0.0, share - len(self._unreadable) / self._listed)
        return Coverage(at=at, mode=mode, scope=scope, unread=unread, share=share)

    def counts(self) -> tuple[Fact, ...]:
        """How much was read."""
        done = self._listed - len(self._open)
        return (
            Fact("tables_listed", str(self._listed)),
            Fact("tables_done", str(done)),
            Fact("tables_unchanged", str(self._unchanged)),
            Fact("columns_read", str(self._columns)),
            Fact("unreadable", str(len(self._unreadable))),
        )

    def _move(
        self, name: str, state: StepState, *, duration_ms: float | None = None, problem: Problem | None = None
    ) -> None:
        self.operation = msgspec.structs.replace(
            self.operation,
            steps=tuple(
                msgspec.structs.replace(step, state=state, duration_ms=duration_ms, problem=problem)
                if step.name == name
                else step
                for step in self.operation.steps
            ),
        )
