"""What becomes of the steps of an operation that ends before its time."""

from collections.abc import Sequence

import msgspec

from domain.models.operation import Step, StepState
from domain.models.problem import Problem


def closed(steps: Sequence[Step], problem: Problem | None) -> tuple[Step, ...]:
    """No step goes on. The one under way failed for `problem`, or was skipped without one; later ones are skipped."""
    return tuple(_closed(step, problem) for step in steps)


def _closed(step: Step, problem: Problem | None) -> Step:
    match step.state:
        case StepState.RUNNING if problem is not None:
            return msgspec.structs.replace(step, state=StepState.FAILED, problem=problem)
        case StepState.RUNNING | StepState.PENDING:
            return msgspec.structs.replace(step, state=StepState.SKIPPED)
        case _:
            return step
