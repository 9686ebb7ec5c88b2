"""The key file and the key setting: what is taken, what is refused, and that nothing of the key is shown."""

import base64
import os
import stat
from pathlib import Path

import pytest

from domain.errors import StartRefused
from persistence.secrets.keyring import KeyEncryptionKey, create_key_file, parse_key, read_key_file

KEY = bytes(range(100, 132))


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_a_key_is_taken_in_both_alphabets_of_base64() -> None:
    key = os.urandom(29) + b"\xff\xef\xbe"
    for text in (encoded(key), encoded(key) + "\n", base64.urlsafe_b64encode(key).decode()):
        assert parse_key(text, origin="X").key == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "changeme",
        "not base64 at all!",
        encoded(bytes(range(16))),
        encoded(bytes(range(33))),
        bytes(range(32)).hex(),
        encoded(bytes(32)),
        encoded(b"\xff" * 32),
        encoded(b"ab" * 16),
        encoded(b"a passphrase of 32 letters.,:;!?"),
    ],
)
def test_a_short_default_or_typed_key_is_refused_with_the_remedy_and_without_the_key(text: str) -> None:
    with pytest.raises(StartRefused, match="openssl rand -base64 32") as caught:
        parse_key(text, origin="THE_SETTING")
    assert "THE_SETTING" in str(caught.value)
    assert not text or text not in str(caught.value)


def test_a_key_shows_only_its_id() -> None:
    key = KeyEncryptionKey(KEY)
    for shown in (repr(key), str(key), f"{key}"):
        assert encoded(KEY) not in shown
        assert repr(KEY) not in shown
        assert key.id in shown
    assert KeyEncryptionKey(KEY).id == key.id
    assert KeyEncryptionKey(os.urandom(32)).id != key.id


def test_the_check_value_differs_by_key_and_by_installation() -> None:
    key, other = KeyEncryptionKey(KEY), KeyEncryptionKey(os.urandom(32))
    assert key.check_value("a") == key.check_value("a")
    assert len({key.check_value("a"), key.check_value("b"), other.check_value("a")}) == 3


def test_a_created_file_is_its_owners_alone_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert read_key_file(path) is None
    created = create_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = read_key_file(path)
    assert found is not None
    assert found.key == created.key
    assert create_key_file(path).key == created.key  # a second process takes the first one's


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666, 0o610])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    create_key_file(path)
    path.chmod(mode)
    with pytest.raises(StartRefused, match="chmod 600") as caught:
        read_key_file(path)
    assert str(tmp_path) not in str(caught.value)


def test_what_is_no_key_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    garbage = tmp_path / "garbage"
    garbage.touch(mode=0o600)
    garbage.write_bytes(os.urandom(5000))
    for path in (folder, pipe, garbage):
        with pytest.raises(StartRefused) as caught:
            read_key_file(path)
        assert str(tmp_path) not in str(caught.value)


def test_a_file_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="cannot be created"):
        create_key_file(tmp_path / "missing" / "key")
