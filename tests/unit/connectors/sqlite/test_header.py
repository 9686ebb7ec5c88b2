"""The first bytes of files."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sqlite.header import HEAD_BYTES, Header, looks_encrypted, read_header


@pytest.mark.parametrize("page_size", [512, 4_096, 65_536])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_a_header(tmp_path: Path, page_size: int, encoding: str):
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE t (a)")
    size = path.stat().st_size
    header = read_header(path.read_bytes()[:HEAD_BYTES])
    assert header == Header(page_size, is_wal=False, encoding=encoding, page_count=2)
    assert header.state(size) == "valid"
    assert header.state(size - 1) != "valid"


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: b"SQLite format 3\0" + rest))
def test_any_bytes_have_an_answer(head: bytes):
    header = read_header(head)
    assert header is None or header.page_size >= 512


def test_encrypted_files_look_random():
    noise = random.Random(1).randbytes(HEAD_BYTES)
    assert looks_encrypted(noise, 8_192)
    assert not looks_encrypted(noise, 8_193)
    assert not looks_encrypted(b"id,name\n" * 512, 8_192)
    assert not looks_encrypted(noise[:100], 512)
