import pytest

from domain.errors import Forbidden
from domain.models.access import Permission, Scope, Viewer
from domain.rules.decide_access import require

READER = Viewer("ann", "key", frozenset({Permission.SOURCE_READ}), Scope())


def test_what_is_permitted_passes() -> None:
    require(READER)
    require(READER, Permission.SOURCE_READ)


def test_the_first_missing_permission_is_named() -> None:
    with pytest.raises(Forbidden) as refused:
        require(READER, Permission.SOURCE_READ, Permission.DISCOVER, Permission.SOURCE_WRITE)
    assert refused.value.problem.needs == "DISCOVER"
