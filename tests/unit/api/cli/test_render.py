import pytest

from api.cli.render import changes, fact, milliseconds, number, seconds, shown, utc, word


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Größe 表", "Größe 表"),
        ("a\x1b[2J", "a\\x1b[2J"),
        ("a\nb\r\t\x00", "a\\nb\\r\\t\\x00"),
        ("\u202egnp.exe", "\\u202egnp.exe"),  # right to left: shown as it is not
        ("\u2028\x9b", "\\u2028\\x9b"),
        ("\udcff", "\\udcff"),
        ("[bold]no markup[/bold]", "[bold]no markup[/bold]"),
    ],
)
def test_names_do_nothing_to_a_terminal(text: str, safe: str):
    assert shown(text) == safe


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-11-23T08:00:00.123456Z", "2026-11-23 08:00:00 UTC"),
        ("2026-11-23T09:00:00+01:00", "2026-11-23 08:00:00 UTC"),
        ("soon", "soon"),
        (None, "–"),
    ],
)
def test_times_are_utc(moment: str | None, told: str):
    assert utc(moment) == told


@pytest.mark.parametrize(
    ("value", "told"), [(0.0407, "0.0407 ms"), (8.17, "8.17 ms"), (465.3, "465 ms"), (2_400, "2.4 s"), (None, "–")]
)
def test_milliseconds(value: float | None, told: str):
    assert milliseconds(value) == told


@pytest.mark.parametrize(
    ("value", "told"), [(1, "1 s"), (4.25, "4.2 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7_500, "2 h 5 min")]
)
def test_seconds(value: float, told: str):
    assert seconds(value) == told


@pytest.mark.parametrize(("value", "told"), [(1_000.0, "1,000"), (99.5, "99.5"), (0, "0"), (None, "–")])
def test_numbers(value: float | None, told: str):
    assert number(value) == told


def test_states_are_words():
    assert str(word("AWAITING_CONFIRMATION")) == "awaiting confirmation"
    assert word("FAILED").style == "red"
    assert str(word("NEVER_HEARD_OF")) == "never heard of"


def test_facts():
    assert fact({"name": "latency_p50", "value": "0.4", "unit": "ms"}) == "latency p50 0.4 ms"
    assert fact({"name": "reason", "value": "There is nothing to do.", "unit": None}) == "There is nothing to do."


def test_changes():
    counts = [
        {"name": "tables_done", "value": "9"},
        {"name": "tables_added", "value": "1000"},
        {"name": "columns_modified", "value": "1"},
        {"name": "columns_removed", "value": "0"},
    ]
    assert changes(counts) == "1,000 tables added, 1 column modified"
    assert changes([]) == "no change"
