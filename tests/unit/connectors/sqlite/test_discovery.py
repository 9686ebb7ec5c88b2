"""How tables are put into batches."""

from connectors.sqlite.discovery import MAX_BATCH_COLUMNS, batch_size
from connectors.sqlite.listing import Listed


def tables(*widths: int) -> list[Listed]:
    return [Listed(f"t{n}", False, False, "", columns_at_most=width) for n, width in enumerate(widths)]


def test_batches_are_bounded_by_tables_and_by_columns():
    assert batch_size(tables(1, 1, 1), 2) == 2
    assert batch_size(tables(1, 1, 1), 200) == 3
    assert batch_size(tables(1, 1), 0) == 1
    half = MAX_BATCH_COLUMNS // 2
    assert batch_size(tables(half, half, 1), 200) == 2
    assert batch_size(tables(half, half + 1), 200) == 1
    assert batch_size(tables(MAX_BATCH_COLUMNS + 1, 1), 200) == 1
