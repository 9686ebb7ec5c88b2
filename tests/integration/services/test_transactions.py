"""No transaction of our store is open while a foreign system is spoken to."""

from pathlib import Path

import pytest

from connectors.shared.dialer import DialPolicy, GuardedDialer
from domain.ports.dialer import Address
from persistence.database import in_transaction, open_database


async def test_the_dialer_refuses_whoever_holds_a_transaction(tmp_path: Path) -> None:
    file = tmp_path / "source"
    file.touch()
    dialer = GuardedDialer(DialPolicy(allow_private=True, file_roots=None), in_transaction)
    database = await open_database(f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite'}")
    try:
        assert dialer.file(str(file)) == file
        async with database.write():
            with pytest.raises(AssertionError):
                dialer.file(str(file))
            with pytest.raises(AssertionError):
                await dialer.resolve("localhost", 1, timeout_s=1)
            with pytest.raises(AssertionError):
                await dialer.connect(Address("localhost", "127.0.0.1", 1), timeout_s=1)
        assert dialer.file(str(file)) == file
    finally:
        await database.close()
