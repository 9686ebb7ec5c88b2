import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.rules import ids
from tests import strategies

_PREFIXES = [ids.DATA_SOURCE, ids.NAMESPACE, ids.TABLE, ids.COLUMN, ids.RELATIONSHIP, ids.OPERATION]


@given(st.text(max_size=40) | st.text(st.sampled_from("src_chg@0123456789x"), max_size=20))
def test_every_text_is_an_id_or_refused(text: str) -> None:
    try:
        prefix, stable, revision = ids.parse(text)
    except InvalidInput:
        return
    assert stable.startswith(f"{prefix}_")
    assert ids.pinned(stable, revision or 0, is_pinned=revision is not None) == text


@given(st.sampled_from(_PREFIXES), st.text("abc234567", min_size=1), st.integers(0, 999_999_999), st.booleans())
def test_what_was_given_out_is_read_again(prefix: str, random: str, revision: int, is_pinned: bool) -> None:
    stable = f"{prefix}_{random}"
    given_out = ids.pinned(stable, revision, is_pinned=is_pinned)
    assert ids.parse(given_out) == (prefix, stable, revision if is_pinned else None)


@given(strategies.names.filter(bool))
def test_a_change_is_called_whatever_changed(name: str) -> None:
    assert ids.parse(f"chg_{name}@7") == ("chg", f"chg_{name}@7", None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "src",
        "src_",
        "src_@3",
        "xyz_a",
        "tbl_a@",
        "tbl_a@-1",
        "tbl_a@01",
        "tbl_a@1@2",
        "tbl_a@٣",
        "tbl_a@1234567890",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(InvalidInput):
        ids.parse(text)


def test_refuses_an_id_that_is_too_long() -> None:
    with pytest.raises(InvalidInput):
        ids.parse("tbl_" + "a" * ids.MAX_LENGTH)
