from datetime import UTC, datetime

import pytest

from domain.models.catalog import Constraint, ConstraintKind, TableEntry, TableKind

AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("constraints", "key"),
    [
        ((), ()),
        ((Constraint("u", ConstraintKind.UNIQUE, ("a",)),), ()),
        (
            (
                Constraint("u", ConstraintKind.UNIQUE, ("a",)),
                Constraint("z", ConstraintKind.PRIMARY_KEY, ("line", "order")),
            ),
            ("line", "order"),
        ),
    ],
)
def test_the_primary_key_is_in_key_order(constraints: tuple[Constraint, ...], key: tuple[str, ...]) -> None:
    table = TableEntry(
        id="tbl_1",
        data_source_id="src_1",
        path=("shop", "public", "order lines"),
        revision=1,
        is_pinned=False,
        first_seen_at=AT,
        last_seen_at=AT,
        namespace_id="nsp_1",
        kind=TableKind.TABLE,
        constraints=constraints,
    )
    assert table.primary_key == key
    assert table.name == "order lines"
