"""All commands, and how each of them ends: with an exit code of the table, never with a traceback for what we mean."""

import asyncio
import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from api.cli import connection_test, discover, keys, migrate, schema, serve, sources, watch, worker
from api.cli.errors import Stop
from api.cli.exit_codes import ExitCode
from domain.errors import ProblemError, StartRefused

# A list in Markdown.
EXIT_CODES = "\n".join(["Exit codes:\n", *(f"- {code.value}: {code.meaning}" for code in ExitCode)])

_FULL = (errno.ENOSPC, errno.EDQUOT)

app = typer.Typer(
    name="headwater",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # flows paragraphs anew, at any width
    epilog=EXIT_CODES,
)
app.command(epilog=EXIT_CODES)(serve.serve)
app.command()(worker.worker)
app.command()(migrate.migrate)
app.command()(schema.schema)
app.add_typer(keys.app, name="keys")
app.add_typer(sources.app, name="sources")
app.command("test")(connection_test.connection_test)
app.command()(discover.discover)
app.command()(watch.watch)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        typer.echo(f"headwater {version('headwater')}")
        raise typer.Exit


@app.callback()
def headwater(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    """Every data source, one live graph.

    serve, worker, migrate and keys read their settings from HEADWATER_… variables; options go before them. sources,
    test, discover and watch speak with the running server at HEADWATER_URL, with HEADWATER_ADMIN_KEY where it asks
    for a key.
    """


def run() -> int:
    """Runs the command that was asked for, and returns the exit code."""
    # Closed by whoever started us: what is said then goes nowhere.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115  # until the end
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115  # until the end
    for stream in (sys.stdout, sys.stderr):
        # In the locale C, or told to speak ASCII: a sign that cannot be written is shown as an escape.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # this interpreter's text streams
    try:
        app(prog_name="headwater")
    except SystemExit as end:  # how typer ends
        if isinstance(end.__context__, BrokenPipeError):
            return _without_reader()
        code = end.code if isinstance(end.code, int) else ExitCode.FAILED
        return _flushed(code)
    except Stop as stop:
        return _said(stop.message, stop.code)
    except StartRefused as error:
        return _said(str(error), ExitCode.CONFIG)
    except ProblemError as error:
        return _said(error.problem.message, ExitCode.UNAVAILABLE)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _flushed(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        return _without_reader()
    except OSError as error:
        if error.errno not in _FULL:
            raise
        return _unwritten(error)
    return _flushed(ExitCode.DONE)


def _said(message: str, code: ExitCode) -> int:
    with contextlib.suppress(OSError):
        typer.echo(f"headwater: {message}", err=True)
    return _flushed(code)


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _without_reader()
    except OSError as error:
        return _unwritten(error)
    return code


def _unwritten(error: OSError) -> int:
    _forget_output()
    return _said(f"The output could not be written: {error.strerror}. Write it to another place.", ExitCode.FAILED)


def _without_reader() -> int:
    _forget_output()
    return ExitCode.NO_READER


def _forget_output() -> None:
    """Python flushes standard output once more at its end, and would complain.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
