import pytest

from domain.rules.guard import needs_confirmation


@pytest.mark.parametrize(
    ("removed", "current", "max_share", "asks"),
    [
        (0, 0, 0.2, False),
        (9, 9, 0.2, False),
        (10, 50, 0.2, False),
        (10, 49, 0.2, True),
        (10, 10, 0.2, True),
        (200, 1_000, 0.2, False),
        (201, 1_000, 0.2, True),
        (10, 1_000, 0.0, True),
        (1_000, 1_000, 1.0, False),
    ],
)
def test_asks_before_many_tables_go(removed: int, current: int, max_share: float, asks: bool) -> None:
    assert (needs_confirmation(removed, current, max_share) is not None) is asks


def test_the_reason_has_the_numbers() -> None:
    reason = needs_confirmation(12, 40)
    assert reason is not None
    assert "12 of 40 tables (30%)" in reason
    assert "20%" in reason
