"""A measured or read value with its name and unit."""

from msgspec import Struct


class Fact(Struct, frozen=True, omit_defaults=True):
    """Such as `Fact("latency_p95", "3.2", "ms")`. Values are text: they are shown and cited, not computed with."""

    name: str
    value: str
    unit: str | None = None
