import pytest
import typer

from api.cli.options import choice, names
from domain.models.data_source import TlsMode


def test_members_are_spelled_as_on_a_command_line():
    assert names(TlsMode) == "[disabled|required|verify-ca|verify-full]"


@pytest.mark.parametrize("text", ["verify-full", "VERIFY-FULL", "verify_full"])
def test_a_member_is_found_in_any_case(text: str):
    assert choice(TlsMode)(text) is TlsMode.VERIFY_FULL


def test_another_word_is_refused_with_those_that_there_are():
    with pytest.raises(typer.BadParameter, match=r"'none' is not one of disabled, required, verify-ca, verify-full\."):
        choice(TlsMode)("none")
