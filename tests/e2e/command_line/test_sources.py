"""`headwater sources`: adding, listing, showing and removing, on terminals and in pipes."""

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.client import GraphqlClient
from tests.e2e.command_line.running import HEADWATER, REPOSITORY, Terminal, environment, run, run_here

_PASSWORD = "correct horse battery"


async def test_a_life_of_a_source(at_server: dict[str, str], tmp_path: Path):
    add = ("sources", "add", "Größe 表", "--kind", "sqlite", "--path", str(tmp_path / "x.sqlite"))
    first = await run(*add, "--description", "a\x1b[2Jb", "--tag", "one", "--tag", "two", env=at_server)
    assert first.code == 0, first.err
    assert first.out == "Added Größe 表 (SQLite).\n"
    assert "headwater test 'Größe 表'" in first.err
    assert (run_here(*add, env=at_server)).out == "Unchanged: Größe 表 (SQLite).\n"
    changed = run_here(*add, "--tag", "three", "--json", env=at_server)
    assert json.loads(changed.out)["dataSource"]["name"] == "Größe 表"

    shown = run_here("sources", "show", "Größe 表", env=at_server)
    assert shown.code == 0
    assert "three" in shown.out
    assert "a\\x1b[2Jb" in shown.out
    assert "\x1b" not in shown.out
    assert json.loads((run_here("sources", "show", "Größe 表", "--json", env=at_server)).out)["tags"] == ["three"]

    listed = json.loads((run_here("sources", "--json", env=at_server)).out)
    assert "Größe 表" in [each["name"] for each in listed]

    nobody = run_here("sources", "remove", "Größe 表", env=at_server)
    assert nobody.code == 2
    assert "--yes" in nobody.err
    async with Terminal(["sources", "remove", "Größe 表"], env=at_server) as terminal:
        await terminal.shows("[y/N]")
        terminal.type("\n")
        assert await terminal.ended() == 1
    assert (run_here("sources", "remove", "Größe 表", "--yes", env=at_server)).code == 0
    gone = run_here("sources", "show", "Größe 表", env=at_server)
    assert gone.code == 1
    assert "There is no source called Größe 表." in gone.err


@pytest.mark.parametrize("way", ["env", "stdin", "terminal", "ref", "none"])
async def test_a_password_is_given_in_a_way_that_nobody_else_sees(
    way: str, at_server: dict[str, str], shared_client: GraphqlClient
):
    name = f"by {way}"
    command = ["sources", "add", name, "--kind", "postgresql", "--host", "db", "--database", "d", "--user", "u"]
    if way == "env":
        ended = run_here(*command, "--password-env", "SHOP", env=at_server | {"SHOP": _PASSWORD})
    elif way == "stdin":
        ended = await run(*command, "--password-stdin", env=at_server, stdin=f"{_PASSWORD}\n")
    elif way == "ref":
        ended = run_here(*command, "--password-ref", "env:HEADWATER_SECRET_SHOP", env=at_server)
    elif way == "none":
        ended = run_here(*command, env=at_server)
    else:
        async with Terminal(command, env=at_server) as terminal:
            await terminal.shows("Password")
            terminal.type(f"{_PASSWORD}\n")
            assert await terminal.ended() == 0
        assert _PASSWORD not in terminal.text
        ended = None
    if ended is not None:
        assert ended.code == 0, ended.err
        assert _PASSWORD not in ended.out + ended.err
    query = "query($name: String!) { dataSource(by: { name: $name }) { credential { store locator } } }"
    credential = (await shared_client.query(query, name=name))["dataSource"]["credential"]
    sealed = {"store": "sealed", "locator": None}
    wanted = {"ref": {"store": "env", "locator": "HEADWATER_SECRET_SHOP"}, "none": None}
    assert credential == wanted.get(way, sealed)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--kind", "sqlite"), "--path"),
        (("--kind", "postgresql", "--host", "h"), "--database, --user"),
        (("--kind", "sqlite", "--path", "x", "--host", "h"), "--host"),
        (("--kind", "oracle"), "oracle"),
        (("--kind", "sqlite", "--path", "x", "--password", "p"), "--password"),
        (
            (
                *("--kind", "postgresql", "--host", "h", "--database", "d", "--user", "u"),
                *("--password-stdin", "--password-env", "X"),
            ),
            "in one way",
        ),
        (("--kind", "postgresql", "--host", "h", "--database", "d", "--user", "u", "--password-env", "NONE"), "NONE"),
        (("--kind", "postgresql", "--host", "h", "--database", "d", "--user", "u", "--password-ref", "x"), "store"),
        (
            ("--kind", "postgresql", "--host", "h", "--database", "d", "--user", "u", "--password-stdin"),
            "standard input",
        ),
        (("--kind", "postgresql", "--host", "h", "--database", "d", "--user", "u", "--ca-file", "/none"), "PEM"),
    ],
)
async def test_wrong_usage(options: tuple[str, ...], said: str, at_server: dict[str, str]):
    ended = run_here("sources", "add", "wrong", *options, env=at_server)
    assert ended.code == 2, ended
    assert said in ended.err
    assert "Traceback" not in ended.err


_POSTGRESQL = ("sources", "add", "x", "--kind", "postgresql", "--host", "h", "--database", "d", "--user", "u")


async def test_a_ca_file_is_taken_whole_or_not_at_all(at_server: dict[str, str], tmp_path: Path):
    bundle, pipe = tmp_path / "bundle.pem", tmp_path / "pipe"
    bundle.write_text("x" * 65_537)
    os.mkfifo(pipe)
    for path, said in ((bundle, "more than 65536 bytes"), (pipe, "no regular file")):
        ended = await run(*_POSTGRESQL, "--ca-file", str(path), env=at_server)
        assert ended.code == 2, ended
        assert said in ended.err


async def test_a_password_is_taken_whole_or_not_at_all(at_server: dict[str, str], shared_client: GraphqlClient):
    ended = run_here(*_POSTGRESQL, "--password-stdin", env=at_server, stdin="ü" * 32_769)
    assert ended.code == 2, ended
    assert "more than 65536 bytes" in ended.err
    assert (await shared_client.query('{ dataSource(by: { name: "x" }) { id } }'))["dataSource"] is None
    assert run_here(*_POSTGRESQL, "--password-stdin", env=at_server, stdin="ü" * 32_768).code == 0


async def test_what_the_server_refuses_is_said(at_server: dict[str, str]):
    ended = run_here("sources", "add", " x ", "--kind", "sqlite", "--path", "y", env=at_server)
    assert ended.code == 1
    assert "printable characters" in ended.err


async def test_a_reader_that_goes_away_is_no_failure(at_server: dict[str, str], tmp_path: Path):
    run_here("sources", "add", "piped", "--kind", "sqlite", "--path", str(tmp_path / "x"), env=at_server)
    for arguments in (("sources",), ("sources", "--json"), ("sources", "show", "piped"), ("schema",), ("--help",)):
        process = subprocess.Popen(
            [*HEADWATER, *arguments],
            cwd=REPOSITORY,
            env=environment(at_server),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        process.stdout.close()
        error = await asyncio.to_thread(process.stderr.read)
        process.stderr.close()
        assert await asyncio.to_thread(process.wait, 30) == 141, arguments
        assert error == b""


async def test_output_that_cannot_be_written(at_server: dict[str, str]):
    def run_in_shell(redirection: str) -> subprocess.CompletedProcess[str]:
        line = f'exec "$0" -m api sources --json {redirection}'
        return subprocess.run(
            ["sh", "-c", line, HEADWATER[0]],
            cwd=REPOSITORY,
            env=environment(at_server),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    full = await asyncio.to_thread(run_in_shell, "> /dev/full")
    assert full.returncode == 1
    assert full.stderr.startswith("headwater: The output could not be written")
    assert len(full.stderr.splitlines()) == 1
    assert (await asyncio.to_thread(run_in_shell, ">&- 2>&-")).returncode == 0


async def test_a_narrow_terminal(at_server: dict[str, str], tmp_path: Path):
    long = "a-rather-long-name-of-a-source-that-does-not-fit"
    run_here("sources", "add", long, "--kind", "sqlite", "--path", str(tmp_path / "x"), env=at_server)
    for columns in (40, 100):
        async with Terminal(["sources"], columns=columns, env=at_server) as terminal:
            assert await terminal.ended() == 0
        lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip("\r") for line in terminal.text.splitlines()]
        assert max(map(len, lines)) <= columns
        assert long in "".join(line.split()[0] for line in lines if line.strip()) or long in terminal.text


async def test_colours_only_where_they_are_wanted(at_server: dict[str, str], tmp_path: Path):
    run_here("sources", "add", "coloured", "--kind", "sqlite", "--path", str(tmp_path / "x"), env=at_server)
    async with Terminal(["sources"], env=at_server) as terminal:
        await terminal.ended()
    assert "\x1b[1m" in terminal.text
    assert "\x1b[2m" in terminal.text  # registered
    async with Terminal(["sources"], env=at_server | {"NO_COLOR": "1"}) as terminal:
        await terminal.ended()
    assert not re.search(r"\x1b\[3\d", terminal.text)
    async with Terminal(["sources"], env=at_server | {"TERM": "dumb"}) as terminal:
        await terminal.ended()
    assert "\x1b" not in terminal.text


async def test_any_locale(at_server: dict[str, str], tmp_path: Path):
    run_here("sources", "add", "Ärger", "--kind", "sqlite", "--path", str(tmp_path / "x"), env=at_server)
    for locale in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}):
        for arguments, code in ((("show", "Ärger"), 0), (("show", "Ärgr"), 1), (("--json",), 0)):
            ended = await run("sources", *arguments, env=at_server | locale)
            assert "Traceback" not in ended.err, (locale, arguments, ended.err)
            assert ended.code == code, (locale, arguments, ended)
        assert "Ärger" in [each["name"] for each in json.loads(ended.out)]
    assert (await run("--help", env={"LC_ALL": "C", "PYTHONUTF8": "0"})).code == 0
