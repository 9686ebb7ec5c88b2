"""Where a server is unless told otherwise. Light to import: `headwater --help` says it too."""

from pathlib import Path

HOST, PORT = "127.0.0.1", 8_000
DATA_DIR = Path("data")
