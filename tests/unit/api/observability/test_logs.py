"""Lines of both kinds of loggers leave by one door, and no traceback takes a secret along."""

import json
import subprocess
import sys

import pytest

_SCRIPT = """
import logging, sys
import structlog
from api.observability import logs

made_before = structlog.get_logger("api.before")
sys.stderr.isatty = lambda: {is_terminal}
logs.configure("info")

def connect(password):
    raise ConnectionError("refused")

for logger in (made_before, structlog.get_logger("api.after"), logging.getLogger("standard")):
    try:
        connect("sesame" + "-opens")
    except ConnectionError:
        logger.exception("away")
    logger.debug("not of interest")
"""


def _logged(*, is_terminal: bool) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(is_terminal=is_terminal)], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "")
    return done.stderr


@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_local_variable_is_shown(is_terminal: bool) -> None:
    logged = _logged(is_terminal=is_terminal)
    assert logged.count("ConnectionError: refused") == 3
    assert "sesame" not in logged
    assert "not of interest" not in logged


def test_without_a_terminal_every_line_is_json() -> None:
    lines = [json.loads(line) for line in _logged(is_terminal=False).splitlines()]
    assert [line["logger"] for line in lines] == ["api.before", "api.after", "standard"]
    assert {line["event"] for line in lines} == {"away"}
    assert {line["level"] for line in lines} == {"error"}
