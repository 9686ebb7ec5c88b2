"""The sealed box: what it seals opens at its own place only."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.errors import Unavailable
from domain.models.secret import SealedSecret
from persistence.secrets.box import Box, Envelope
from persistence.secrets.keyring import KeyEncryptionKey

KEY = KeyEncryptionKey(bytes(range(7, 39)))
PLACE = {"owner": "src_1", "field": "password", "version": 1}


def box(key: KeyEncryptionKey = KEY, instance: str = "here") -> Box:
    return Box(Envelope(key, instance), b"f" * 32)


def refuses(sealed: SealedSecret, opening: Box | None = None, **place: object) -> bool:
    with pytest.raises(Unavailable) as caught:
        (opening or box()).open(sealed, **(PLACE | place))  # type: ignore[arg-type]  # one wrong value at a time
    return caught.value.problem.code == "SECRET_UNAVAILABLE"


@given(st.text(), st.text(), st.text(), st.integers(0, 2**40))
def test_what_was_sealed_opens_at_its_place(secret: str, owner: str, field: str, version: int) -> None:
    sealed = box().seal(secret, owner=owner, field=field, version=version)
    assert box().open(sealed, owner=owner, field=field, version=version) == secret


def test_it_opens_nowhere_else() -> None:
    sealed = box().seal("hunter2", **PLACE)  # type: ignore[arg-type]  # the place is typed by its use
    assert refuses(sealed, owner="src_2")
    assert refuses(sealed, field="passphrase")
    assert refuses(sealed, version=2)
    assert refuses(sealed, box(instance="elsewhere"))
    assert refuses(sealed, box(KeyEncryptionKey(os.urandom(32))))
    assert refuses(replace(sealed, key_id="another"))


def test_places_that_read_alike_when_joined_are_different_places() -> None:
    sealed = box().seal("hunter2", owner="ab", field="c", version=1)
    assert refuses(sealed, owner="a", field="bc")
    sealed = box().seal("hunter2", owner="a", field="b1", version=2)
    assert refuses(sealed, owner="a", field="b", version=12)


@given(st.data())
def test_no_bit_may_change(data: st.DataObject) -> None:
    sealed = box().seal("hunter2", **PLACE)  # type: ignore[arg-type]  # as above
    part = data.draw(st.sampled_from(["wrapped_key", "ciphertext"]))
    content = bytearray(getattr(sealed, part))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert refuses(replace(sealed, **{part: bytes(content)}))


def test_cut_content_does_not_open() -> None:
    sealed = box().seal("hunter2", **PLACE)  # type: ignore[arg-type]  # as above
    for part in ("wrapped_key", "ciphertext"):
        for length in (0, 5, 12, 20):
            assert refuses(replace(sealed, **{part: getattr(sealed, part)[:length]}))


def test_equal_secrets_do_not_look_equal_and_share_no_key() -> None:
    first, second = (box().seal("hunter2", **PLACE) for _ in range(2))  # type: ignore[arg-type]  # as above
    assert first.ciphertext != second.ciphertext
    assert first.wrapped_key != second.wrapped_key
    assert refuses(replace(first, wrapped_key=second.wrapped_key))


def test_nothing_of_a_secret_is_in_what_it_is_sealed_in() -> None:
    sealed = box().seal("hunter2-hunter2", **PLACE)  # type: ignore[arg-type]  # as above
    assert b"hunter2" not in sealed.ciphertext + sealed.wrapped_key
    assert "hunter2" not in repr(sealed)


def test_fingerprints_depend_on_content_and_key() -> None:
    other = Box(Envelope(KEY, "here"), b"g" * 32)
    assert box().fingerprint(b"x") == box().fingerprint(b"x")
    assert len({box().fingerprint(b"x"), box().fingerprint(b"y"), other.fingerprint(b"x")}) == 3
