"""Free TCP ports on the loopback address."""

import secrets
import socket

LOOPBACK = "127.0.0.1"

# Below the range from which kernels take the ports of outgoing connections (32768–60999 on Linux, 49152–65535
# elsewhere), so that no such connection sits on the port of a server that is down for a moment. Redis Cluster adds
# 10,000 to its ports, which stays possible too.
_FIRST, _LAST = 20_000, 32_000


def free_port() -> int:
    """A port that nothing on 127.0.0.1 listens on. Ask again rather than keep it: it is not reserved."""
    for _ in range(1_000):
        # Not `random`: its seed is the same in every worker of a parallel test run.
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port between {_FIRST} and {_LAST}")
