"""How a discovery is cut into batches."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.postgresql.discovery import MAX_BATCH_COLUMNS, _Listed, batches


@given(st.lists(st.integers(0, 1_600), max_size=60), st.integers(1, 20))
def test_batches_are_bounded_and_complete(columns: list[int], max_tables: int) -> None:
    tables = [_Listed(number, ("shop", "public", f"t{number}"), count) for number, count in enumerate(columns)]
    pieces = list(batches(tables, max_tables))
    assert [table for piece in pieces for table in piece] == tables
    assert all(0 < len(piece) <= max_tables for piece in pieces)
    assert all(len(piece) == 1 or sum(table.columns for table in piece) <= MAX_BATCH_COLUMNS for piece in pieces)
