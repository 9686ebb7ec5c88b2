import pytest

from domain.models.access import Permission, Scope, system_viewer
from domain.models.data_source import Sensitivity, SourceEnvironment


@pytest.mark.parametrize(
    ("scope", "is_allowed"),
    [
        (Scope(), True),
        (Scope(data_sources=frozenset({"src_1"})), True),
        (Scope(data_sources=frozenset({"src_2"})), False),
        (Scope(data_sources=frozenset()), False),
        (Scope(environments=frozenset({SourceEnvironment.STAGING})), True),
        (Scope(environments=frozenset({SourceEnvironment.PRODUCTION})), False),
        (Scope(sensitivity_ceiling=Sensitivity.RESTRICTED), True),
        (Scope(sensitivity_ceiling=Sensitivity.CONFIDENTIAL), True),
        (Scope(sensitivity_ceiling=Sensitivity.INTERNAL), False),
        (Scope(frozenset({"src_1"}), frozenset({SourceEnvironment.STAGING}), Sensitivity.PUBLIC), False),
    ],
)
def test_a_scope_allows_what_satisfies_every_bound(scope: Scope, is_allowed: bool) -> None:
    assert scope.allows("src_1", SourceEnvironment.STAGING, Sensitivity.CONFIDENTIAL) is is_allowed


def test_headwater_itself_may_do_and_see_all() -> None:
    viewer = system_viewer("scheduler")
    assert (viewer.name, viewer.kind) == ("scheduler", "system")
    assert viewer.permissions == set(Permission)
    assert viewer.scope == Scope()


def test_sensitivities_are_ordered() -> None:
    assert [level.rank for level in Sensitivity] == [0, 1, 2, 3]
