from domain.models.operation import Step, StepState
from domain.models.problem import Problem, ProblemKind
from domain.rules.steps import closed

STEPS = (
    Step("connect", StepState.PASSED, 100),
    Step("tls", StepState.WARNED, 100),
    Step("read", StepState.RUNNING, 100),
    Step("publish", StepState.PENDING, 100),
)


def test_what_was_under_way_failed_and_the_rest_is_skipped() -> None:
    problem = Problem(ProblemKind.UNREACHABLE, "TIMED_OUT", "Too late.", phase="read", retryable=True)
    ended = closed(STEPS, problem)
    assert ended[:2] == STEPS[:2]
    assert [step.state for step in ended[2:]] == [StepState.FAILED, StepState.SKIPPED]
    assert [step.problem for step in ended] == [None, None, problem, None]


def test_without_a_problem_nothing_failed() -> None:
    assert [step.state for step in closed(STEPS, None)[2:]] == [StepState.SKIPPED, StepState.SKIPPED]
