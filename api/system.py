"""Time and names from the operating system."""

import asyncio
import base64
import secrets
import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """The present in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds since an unknown moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class RandomIds:
    """128 random bits in lower-case base 32 behind the prefix."""

    def new(self, prefix: str) -> str:
        """Such as `src_mfzwizltoq3dinzqgu4tmnbxgy`."""
        return f"{prefix}_{base64.b32encode(secrets.token_bytes(16)).decode().rstrip('=').lower()}"
