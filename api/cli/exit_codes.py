"""How a command ends: the one table of exit codes. Those from 64 on are sysexits.h's, which supervisors understand."""

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """An exit code with its meaning."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "What was asked for was done; a server or worker that was told to stop ended in order."
    FAILED = (
        1,
        "What was asked for failed: a test did not pass, a discovery failed, a source of that name is not there.",
    )
    USAGE = 2, "The command line is wrong."
    PARTIAL = 3, "A discovery published what it could read; a part could not be read."
    UNAVAILABLE = 69, "What is needed is away: the Headwater server, its metadata store, its Redis."
    NOT_PERMITTED = 77, "The server does not let this user in: the key is missing or wrong, or a permission is missing."
    CONFIG = 78, "The settings do not allow it; the sentence names what to change."
    INTERRUPTED = 130, "Stopped by ctrl-C or SIGTERM before it had ended, a server before it served."
    NO_READER = 141, "Whoever read the output has gone, as where `head -1` reads it."
