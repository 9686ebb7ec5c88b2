"""What every connector's test of a connection and health check keep to."""

import asyncio
from contextlib import aclosing

import pytest
from msgspec.structs import replace

from domain.models.operation import Step, StepState
from domain.models.problem import ProblemKind
from domain.ports.connector import Target
from tests.contract.connectors.systems import System, connector_of

STEPS = ["resolve", "connect", "tls", "authenticate", "authorize", "read_catalog", "latency"]
ENDED = {StepState.PASSED, StepState.WARNED, StepState.FAILED, StepState.SKIPPED}


async def check(system: System, target: Target, budget_s: float = 10.0) -> list[Step]:
    async with aclosing(connector_of(system).check(target, system.dialer, budget_s=budget_s)) as steps:
        return [step async for step in steps]


def ended(steps: list[Step]) -> list[Step]:
    return [step for step in steps if step.state in ENDED]


async def test_a_healthy_system_passes(system: System):
    steps = await check(system, system.target)
    assert [step.name for step in ended(steps)] == STEPS
    assert not any(step.problem for step in steps)
    assert {step.state for step in ended(steps)} <= {StepState.PASSED, StepState.WARNED, StepState.SKIPPED}
    assert {step.name for step in ended(steps) if step.state is StepState.SKIPPED} <= {"tls", "authenticate"}


async def test_each_step_is_told_when_it_starts_and_when_it_ended(system: System):
    steps = await check(system, system.target)
    for name in STEPS:
        states = [step.state for step in steps if step.name == name]
        assert states[-1] in ENDED
        assert states[:-1] in ([StepState.RUNNING], [])
        assert states[:-1] or states[-1] is StepState.SKIPPED
    assert [step.name for step in steps] == sorted((step.name for step in steps), key=STEPS.index)


async def test_steps_are_measured(system: System):
    for step in ended(await check(system, system.target, budget_s=8.0)):
        assert 0 <= step.budget_ms <= 8_000
        if step.state is StepState.SKIPPED:
            assert step.facts, "a step that is left out says why"
        else:
            assert step.duration_ms is not None
            assert 0 <= step.duration_ms < 8_000


async def test_budgets_add_up(system: System):
    steps = ended(await check(system, system.target, budget_s=8.0))
    assert sum(step.budget_ms for step in steps) <= 8_000 + len(steps)


async def test_latency_is_of_several_round_trips(system: System):
    facts = {fact.name: fact for fact in ended(await check(system, system.target))[-1].facts}
    assert {"latency_p50", "latency_p95", "latency_jitter"} <= facts.keys()
    assert all(float(facts[name].value) >= 0 for name in ("latency_p50", "latency_p95", "latency_jitter"))
    assert facts["latency_p50"].unit == "ms"
    assert float(facts["latency_p50"].value) <= float(facts["latency_p95"].value)


async def test_advice_rests_on_facts(system: System):
    steps = await check(system, system.target)
    facts = {fact.name for step in steps for fact in step.facts}
    for step in steps:
        for remedy in step.fix:
            assert set(remedy.rests_on) <= facts
            assert remedy.title
            assert remedy.detail


async def test_where_nothing_is_the_check_fails_and_the_rest_is_skipped(system: System):
    steps = ended(await check(system, system.absent))
    assert [step.name for step in steps] == STEPS
    states = [step.state for step in steps]
    failed = states.index(StepState.FAILED)
    assert steps[failed].name in {"resolve", "connect"}
    assert set(states[failed + 1 :]) == {StepState.SKIPPED}
    problem = steps[failed].problem
    assert problem is not None
    assert problem.kind is ProblemKind.UNREACHABLE
    assert problem.phase == steps[failed].name


@pytest.mark.parametrize("budget_s", [0.0, 0.001, 0.01])
async def test_a_check_ends_within_its_budget(system: System, budget_s: float):
    started_s = asyncio.get_running_loop().time()
    steps = ended(await check(system, system.target, budget_s=budget_s))
    assert asyncio.get_running_loop().time() - started_s < budget_s + 0.5
    assert [step.name for step in steps] == STEPS
    assert all(
        step.problem is not None and step.problem.code == "TIMED_OUT" for step in steps if step.state == "FAILED"
    )


async def test_a_check_that_is_left_leaves_nothing_behind(system: System):
    async with aclosing(connector_of(system).check(system.target, system.dialer, budget_s=10.0)) as steps:
        async for step in steps:
            if (step.name, step.state) == ("read_catalog", StepState.RUNNING):
                break
    for _ in range(20):
        if not (left := await system.leftovers()):
            break
        await asyncio.sleep(0.05)
    assert left == []


async def test_nothing_confidential_is_shown(system: System):
    shown = [repr(system.target), repr(system.absent)]
    for target in (system.target, system.absent):
        shown += [repr(step) for step in await check(system, target)]
        shown.append(repr(await connector_of(system).ping(target, system.dialer, timeout_s=5.0)))
    for secret_field in connector_of(system).spec.secret_fields[:1]:
        wrong = replace(system.target, secrets={secret_field: system.confidential[0]})
        steps = ended(await check(system, wrong))
        assert [step.name for step in steps if step.state is StepState.FAILED] == ["authenticate"]
        shown += [repr(step) for step in steps]
    for word in system.confidential:
        assert not any(word in text for text in shown)


async def test_ping(system: System):
    health = await connector_of(system).ping(system.target, system.dialer, timeout_s=5.0)
    assert health.ok
    assert health.problem is None
    assert health.at.tzinfo is not None
    assert health.latency_ms is not None
    assert 0 < health.latency_ms < 5_000


async def test_ping_where_nothing_is(system: System):
    health = await connector_of(system).ping(system.absent, system.dialer, timeout_s=5.0)
    assert not health.ok
    assert health.problem is not None
    assert health.problem.kind is ProblemKind.UNREACHABLE
    assert health.latency_ms is None


async def test_ping_without_time(system: System):
    health = await connector_of(system).ping(system.target, system.dialer, timeout_s=0.0)
    assert not health.ok
    assert health.problem is not None
    assert health.problem.code == "TIMED_OUT"
