"""The file of the demo shop."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from api.demo.shop import write_demo_shop


def test_it_is_sound_and_always_the_same(tmp_path: Path):
    first, second = tmp_path / "a.db", tmp_path / "b.db"
    write_demo_shop(first)
    write_demo_shop(second)
    assert first.read_bytes() == second.read_bytes()
    with closing(sqlite3.connect(first)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (300,)


def test_an_older_file_is_replaced_and_nothing_else_is_left(tmp_path: Path):
    path = tmp_path / "shop.db"
    path.write_bytes(b"older")
    write_demo_shop(path)
    assert path.read_bytes().startswith(b"SQLite format 3")
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_put_in_place_leaves_nothing(tmp_path: Path):
    path = tmp_path / "folder"
    path.mkdir()
    with pytest.raises(OSError, match="folder"):
        write_demo_shop(path)
    assert list(tmp_path.iterdir()) == [path]
