"""The first bytes of a database file. https://www.sqlite.org/fileformat2.html#the_database_header"""

from msgspec import Struct

HEAD_BYTES = 4_096  # enough for the header, and to tell an encrypted file from any other

_MAGIC = b"SQLite format 3\x00"
_HEADER_BYTES = 100
_ENCODINGS = {1: "UTF-8", 2: "UTF-16le", 3: "UTF-16be"}
_LOOKS_RANDOM = 200  # distinct values in 4,096 bytes; random ones have 256, text and tables far fewer


class Header(Struct, frozen=True):
    """What the header tells. `page_count` is None where an old version wrote the file last."""

    page_size: int
    is_wal: bool
    encoding: str | None  # None: nothing has been written yet
    page_count: int | None

    def state(self, size_bytes: int) -> str:
        """Whether the header and the size of the file agree. In WAL mode pages may still wait in the -wal file."""
        if self.page_count is None or self.is_wal or self.page_count * self.page_size <= size_bytes:
            return "valid"
        return "valid, but the file is shorter than it says"


def read_header(head: bytes) -> Header | None:
    """The header in the first bytes of a file; None when the file is no database or its header makes no sense."""
    if len(head) < _HEADER_BYTES or not head.startswith(_MAGIC):
        return None
    page_size = 65_536 if head[16:18] == b"\x00\x01" else int.from_bytes(head[16:18], "big")
    has_fixed_fractions = tuple(head[21:24]) == (64, 32, 32)
    if page_size < 512 or page_size & (page_size - 1) or not has_fixed_fractions:
        return None
    page_count = int.from_bytes(head[28:32], "big")
    is_count_current = page_count > 0 and head[24:28] == head[92:96]
    return Header(
        page_size=page_size,
        is_wal=head[19] == 2,
        encoding=_ENCODINGS.get(int.from_bytes(head[56:60], "big")),
        page_count=page_count if is_count_current else None,
    )


def looks_encrypted(head: bytes, size_bytes: int) -> bool:
    """Whole pages of what looks random: so files of SQLCipher and SEE look, which have no header at all."""
    return size_bytes % 512 == 0 and len(head) == HEAD_BYTES and len(set(head)) >= _LOOKS_RANDOM
