"""The samples in a folder, and how they get into a database."""

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.servers.postgresql import PostgresqlDatabase, find_binaries

_LOAD_TIMEOUT_S = 100
# So that estimates are exact. Not the whole database at once: that would ask foreign servers too.
_COUNT_ROWS = """
SELECT format('VACUUM ANALYZE %I.%I', nspname, relname)
FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
\\gexec
"""
# A script that makes a database of its own first: ours is there already, and is connected to.
_DATABASE = re.compile(r"^\s*(?:CREATE DATABASE|DROP DATABASE|\\c(?:onnect)?)\b.*$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Sample:
    """One database, to be made of `files`."""

    name: str
    system: str  # postgresql or sqlite
    files: tuple[Path, ...]

    def __str__(self) -> str:
        return f"{self.name}-{self.system}{'' if self.files[0].suffix == '.sql' else '-file'}"


def samples_in(folder: Path) -> list[Sample]:
    """All samples, by name."""
    scripts: dict[tuple[str, str], list[Path]] = {}
    for file in sorted(folder.glob("*.sql"), key=lambda file: ("schema" not in file.name, file.name)):
        found = re.fullmatch(r"(.+?)-(postgresql|sqlite)(-.*)?\.sql", file.name)
        if found:
            scripts.setdefault((found[1], found[2]), []).append(file)
    samples = [Sample(name, system, tuple(files)) for (name, system), files in scripts.items()]
    samples += [Sample(file.stem, "sqlite", (file,)) for file in folder.glob("*.sqlite")]
    return sorted(samples, key=str)


def load_into_postgresql(sample: Sample, database: PostgresqlDatabase) -> None:
    """Runs the scripts with psql, which alone understands COPY FROM stdin; then counts rows exactly."""
    binaries = find_binaries()
    psql = shutil.which("psql") or (str(binaries / "psql") if binaries else "psql")
    scripts = [_DATABASE.sub("", file.read_text("utf-8")) for file in sample.files]
    for script in (*scripts, _COUNT_ROWS):
        done = subprocess.run(
            [psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={database.name}"],
            input=script,
            env=os.environ
            | {
                "PGHOST": database.host,
                "PGPORT": str(database.port),
                "PGUSER": database.user,
                "PGPASSWORD": database.password,
                "PGCLIENTENCODING": "UTF8",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=_LOAD_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{sample}: {done.stderr[-2000:]}"


def load_into_sqlite(sample: Sample, folder: Path) -> Path:
    """A file of our own with the sample in it."""
    file = folder / f"{sample.name}.sqlite"
    if sample.files[0].suffix == ".sqlite":
        shutil.copyfile(sample.files[0], file)
        return file
    with closing(sqlite3.connect(file)) as connection:
        for script in sample.files:
            connection.executescript(script.read_text("utf-8"))
        connection.commit()
    return file
