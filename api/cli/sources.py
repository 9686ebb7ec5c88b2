"""`headwater sources`: list, show, add, remove."""

import getpass
import os
import shlex
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from api.cli.data_source import all_sources, find_source
from api.cli.errors import Stop
from api.cli.exit_codes import ExitCode
from api.cli.options import JsonOption, UrlOption, choice, names
from api.cli.problems import FRAGMENT, stop
from api.cli.prompt import is_agreed
from api.cli.render import facts, milliseconds, number, utc, word
from api.cli.session import Session, connected
from domain.models.data_source import DataSourceKind, TlsMode

# A server takes as many characters, and says so itself where that is less.
_MAX_PASSWORD_BYTES = _MAX_PEM_BYTES = 64 * 1024

Row = tuple[str, str | Text | None]  # a title, and what stands behind it

app = typer.Typer(rich_markup_mode="markdown", help="List, show, add and remove sources.", invoke_without_command=True)

_LISTED = """
id name kind status revision lastDiscoveredAt health { status score }
tables(first: 0) { totalCount { value exact } }
"""
_SHOW = """
query($id: ID!) {
  dataSource(by: { id: $id }) {
    id name kind status description environment criticality sensitivity owner team tags version createdAt
    connection { endpoint database username tls replicas options { name value unit } }
    credential { store locator version rotatedAt }
    health { status score since latencyP50Ms latencyP95Ms availability24h parts { name score weight why } }
    freshness { coverage discoveredAt mode unread { fqn reason } }
    revision scanFrequency lastTestedAt lastDiscoveredAt
    namespaces(first: 0) { totalCount { value exact } }
    tables(first: 0) { totalCount { value exact } }
    operations(first: 5) { nodes { id kind state createdAt actor publishedRevision } }
  }
}
"""
_REGISTER = f"""
mutation($input: DataSourceInput!) {{
  registerDataSources(input: [$input]) {{
    __typename
    ... on DataSourcePayload {{ created unchanged dataSource {{ id name kind status version }} }}
    {FRAGMENT}
  }}
}}
"""
_DELETE = f"""
mutation($id: ID!) {{ deleteDataSource(id: $id) {{ __typename ... on DeletePayload {{ id deleted }} {FRAGMENT} }} }}
"""


@app.callback()
def sources(context: typer.Context, url: UrlOption = None, json: JsonOption = False) -> None:
    """List, show, add and remove sources. By itself it lists them."""
    if context.invoked_subcommand is None:
        with connected(url) as session:
            _list(session, json)


@app.command("list")
def list_(url: UrlOption = None, json: JsonOption = False) -> None:
    """List all sources."""
    with connected(url) as session:
        _list(session, json)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The source.")], url: UrlOption = None, json: JsonOption = False
) -> None:
    """Show one source: how it is reached, how it is doing, what is known of it."""
    with connected(url) as session:
        found = session.server.ask(_SHOW, id=find_source(session.server, name)["id"])["dataSource"]
        if found is None:
            raise Stop("The source was removed this very moment. `headwater sources` lists those that are left.")
        if json:
            session.out.json_line(found)
        else:
            _show(session, found)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call it; a source of this name is changed.")],
    kind: Annotated[
        DataSourceKind,
        typer.Option(parser=choice(DataSourceKind), metavar=names(DataSourceKind), help="The system that it is."),
    ],
    host: Annotated[str | None, typer.Option(help="PostgreSQL: a name or an address.")] = None,
    port: Annotated[int | None, typer.Option(help="PostgreSQL: its port, where it is not the usual one.")] = None,
    database: Annotated[str | None, typer.Option(help="PostgreSQL: the database.")] = None,
    user: Annotated[str | None, typer.Option(help="PostgreSQL: whom to log in as.")] = None,
    tls: Annotated[
        TlsMode | None,
        typer.Option(
            parser=choice(TlsMode), metavar=names(TlsMode), help="PostgreSQL: what is demanded of the encryption."
        ),
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(help="PostgreSQL: PEM file of the authority to trust.")] = None,
    password_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="Take the password from this variable, here and now.")
    ] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
    password_ref: Annotated[
        str | None,
        typer.Option(metavar="STORE:LOCATOR", help="Where the server finds it, such as env:HEADWATER_SECRET_SHOP."),
    ] = None,
    path: Annotated[Path | None, typer.Option(help="SQLite: the file, on the server's machine.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A word to find it by; may be repeated.")] = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Register a source, or change the one of this name.

    A password is never an argument: everybody on this machine could read it in the list of processes. Without one of
    the three ways to give it, a terminal is asked for it.
    """
    network = {"--host": host, "--database": database, "--user": user}
    extras = {"--port": port, "--tls": tls, "--ca-file": ca_file}
    ways = {"--password-env": password_env, "--password-stdin": password_stdin or None, "--password-ref": password_ref}
    if kind is DataSourceKind.SQLITE:
        _check(kind, {"--path": path}, network | extras | ways)
    else:
        _check(kind, network, {"--path": path})
    if len(given := _given(ways)) > 1:
        raise Stop(f"Give the password in one way, not in {len(given)}.", ExitCode.USAGE)
    with connected(url) as session:
        if path is not None:
            connection: dict[str, Any] = {"sqlite": {"path": _path(session, path)}}
        else:
            settings = {"host": host, "port": port, "database": database, "user": user}
            encryption = _encryption(tls, ca_file)
            password = _password(session, password_env, password_stdin, password_ref)
            connection = {"postgresql": _said(settings | {"tls": encryption, "password": password})}
        said = _said({"name": name, "description": description, "tags": tag or None, "connection": connection})
        (answer,) = session.server.ask(_REGISTER, input=said)["registerDataSources"]
        if answer["__typename"] != "DataSourcePayload":
            stop(answer)
        _tell_added(session, answer, json)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The source.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Remove a source, its secrets and all that was discovered in it."""
    with connected(url) as session:
        found = find_source(session.server, name)
        question = f"Remove {found['name']}, its secrets and all that was discovered in it?"
        if not yes and not is_agreed(session.err, question, otherwise="Say --yes to remove it without being asked."):
            raise Stop("Nothing was removed.")
        answer = session.server.ask(_DELETE, id=found["id"])["deleteDataSource"]
        if answer["__typename"] != "DeletePayload":
            stop(answer)
        if json:
            session.out.json_line({"id": answer["id"], "name": found["name"], "deleted": answer["deleted"]})
        else:
            session.out.say(f"Removed {found['name']}.")


def _list(session: Session, is_json: bool) -> None:
    found, is_all = all_sources(session.server, _LISTED)
    if is_json:
        session.out.json_line(found)
    elif found:
        _table(session, found)
    else:
        session.err.say("No source is registered yet. `headwater sources add --help` tells how.")
    if not is_all:
        session.err.say(f"These are the first {len(found)}; there are more.")


def _table(session: Session, found: Sequence[dict[str, Any]]) -> None:
    """As many columns as the terminal has room for, the most telling ones first."""
    columns: dict[str, list[str | Text]] = {
        "NAME": [each["name"] for each in found],
        "KIND": [_kind(each["kind"]) for each in found],
        "STATUS": [word(each["status"]) for each in found],
        "HEALTH": [number(each["health"]["score"]) for each in found],
        "TABLES": [_count(each["tables"]["totalCount"]) for each in found],
        "REVISION": [number(each["revision"]) for each in found],
        "LAST DISCOVERY": [utc(each["lastDiscoveredAt"]) for each in found],
    }
    for name in ("LAST DISCOVERY", "REVISION", "KIND", "TABLES"):
        widths = [max(len(str(cell)) for cell in [header, *cells]) for header, cells in columns.items()]
        if sum(widths) + 2 * len(widths) <= session.out.width:
            break
        del columns[name]
    session.out.table(list(columns), zip(*columns.values(), strict=True), right=("HEALTH", "TABLES", "REVISION"))


def _show(session: Session, found: dict[str, Any]) -> None:
    out, health, operations = session.out, found["health"], found["operations"]["nodes"]
    for name, value in [*_about(found), *_reached(found), *_known(found)]:
        if value:
            out.say(Text(f"{name:<12} ", style="bold"), value)
    for part in health["parts"]:
        out.say(f"  {part['name']:<12} {number(part['score'])} of 100, weight {part['weight']:.0%}: {part['why']}")
    if operations:
        out.say("")
        out.say("Latest operations:")
    for each in operations:
        revision = f", revision {each['publishedRevision']}" if each["publishedRevision"] else ""
        kind = each["kind"].lower().replace("_", " ")
        out.say(f"  {utc(each['createdAt'])}  {kind}, ", word(each["state"]), f"{revision} ({each['actor']})")
    for each in found["freshness"]["unread"]:
        out.say(f"not read: {each['fqn']}: {each['reason']}")


def _about(found: dict[str, Any]) -> list[Row]:
    return [
        ("name", found["name"]),
        ("kind", _kind(found["kind"])),
        ("status", word(found["status"])),
        ("description", found["description"]),
        ("tags", ", ".join(found["tags"])),
    ]


def _reached(found: dict[str, Any]) -> list[Row]:
    connection, health = found["connection"], found["health"]
    return [
        ("endpoint", connection["endpoint"]),
        ("database", connection["database"]),
        ("user", connection["username"]),
        ("encryption", connection["tls"] and word(connection["tls"])),
        ("replicas", ", ".join(connection["replicas"])),
        ("options", facts(connection["options"])),
        ("password", found["credential"] and _credential(found["credential"])),
        ("health", _health(health)),
        ("latency", _latency(health)),
    ]


def _known(found: dict[str, Any]) -> list[Row]:
    freshness = found["freshness"]
    return [
        ("tables", _inside(found)),
        ("revision", f"{number(found['revision'])}, discovered {utc(found['lastDiscoveredAt'])}"),
        ("coverage", freshness["discoveredAt"] and f"{freshness['coverage']:.0%}"),
        ("last test", utc(found["lastTestedAt"])),
        ("discovered", found["scanFrequency"].lower()),
        ("id", found["id"]),
    ]


def _latency(health: dict[str, Any]) -> str | None:
    if health["latencyP50Ms"] is None:
        return None
    return f"{milliseconds(health['latencyP50Ms'])}, 19 of 20 answers within {milliseconds(health['latencyP95Ms'])}"


def _inside(found: dict[str, Any]) -> str:
    namespaces = found["namespaces"]["totalCount"]
    plural = "" if namespaces["value"] == 1 else "s"
    return f"{_count(found['tables']['totalCount'])} in {_count(namespaces)} namespace{plural}"


def _health(health: dict[str, Any]) -> Text:
    score = "" if health["score"] is None else f", score {number(health['score'])} of 100"
    return Text.assemble(word(health["status"]), f"{score}, since {utc(health['since'])}")


def _credential(credential: dict[str, Any]) -> str:
    where = "sealed" if credential["locator"] is None else f"in {credential['store']}:{credential['locator']}"
    return f"{where}, version {credential['version']} of {utc(credential['rotatedAt'])}"


def _count(count: dict[str, Any]) -> str:
    return number(count["value"]) if count["exact"] else f"about {number(count['value'])}"


_KINDS = {DataSourceKind.POSTGRESQL.value: "PostgreSQL", DataSourceKind.SQLITE.value: "SQLite"}


def _kind(kind: str) -> str:
    return _KINDS.get(kind, kind.lower())


def _given(options: dict[str, Any]) -> list[str]:
    return [name for name, value in options.items() if value is not None]


def _check(kind: DataSourceKind, needed: dict[str, Any], foreign: dict[str, Any]) -> None:
    """Raises `Stop` for options that are missing, or that belong to another kind of system."""
    missing = [name for name in needed if name not in _given(needed)]
    if missing:
        raise Stop(f"A {_kind(kind.name)} source needs {', '.join(missing)}.", ExitCode.USAGE)
    if odd := _given(foreign):
        raise Stop(f"A {_kind(kind.name)} source has no {', '.join(odd)}.", ExitCode.USAGE)


def _said(settings: dict[str, Any]) -> dict[str, Any]:
    """Without what was not said: null would mean to take it away."""
    return {name: value for name, value in settings.items() if value is not None}


def _tell_added(session: Session, answer: dict[str, Any], is_json: bool) -> None:
    if is_json:
        session.out.json_line({key: answer[key] for key in ("created", "unchanged", "dataSource")})
        return
    source = answer["dataSource"]
    what = "Added" if answer["created"] else "Unchanged:" if answer["unchanged"] else "Changed"
    session.out.say(f"{what} {source['name']} ({_kind(source['kind'])}).")
    quoted = shlex.quote(source["name"])
    session.err.say(f"Next: headwater test {quoted}, then headwater discover {quoted}")


def _path(session: Session, path: Path) -> str:
    """As the server finds it: from here, when it is on this machine."""
    return str(path.expanduser().absolute() if session.server.address.is_local else path)


def _encryption(tls: TlsMode | None, ca_file: Path | None) -> dict[str, Any] | None:
    said = _said({"mode": tls and tls.name, "caPem": ca_file and _pem(ca_file.expanduser())})
    return said or None


def _pem(path: Path) -> str:
    try:
        # A pipe would be waited for until somebody writes into it.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Stop(f"{path} is no regular file. Name another --ca-file.", ExitCode.USAGE)
            text = file.read(_MAX_PEM_BYTES + 1).decode("ascii")
    except (OSError, ValueError) as error:
        raise Stop(f"{path} cannot be read as a PEM file. Name another --ca-file.", ExitCode.USAGE) from error
    if len(text) > _MAX_PEM_BYTES:
        raise Stop(
            f"{path} has more than {_MAX_PEM_BYTES} bytes. Name a --ca-file with only the authorities to trust.",
            ExitCode.USAGE,
        )
    return text


def _password(
    session: Session, variable: str | None, is_on_stdin: bool, reference: str | None
) -> dict[str, Any] | None:
    """The password as the server takes it; None without one."""
    if reference is not None:
        store, separator, locator = reference.partition(":")
        if not (store and separator and locator):
            raise Stop("--password-ref has a store and a locator: env:HEADWATER_SECRET_SHOP.", ExitCode.USAGE)
        return {"reference": {"store": store, "locator": locator}}
    if variable is not None:
        value = os.environ.get(variable)
        if not value:
            raise Stop(f"The variable {variable} is not set. Set it, or name another one.", ExitCode.USAGE)
        return {"literal": value}
    if is_on_stdin:
        return {"literal": _password_on_stdin()}
    if not (sys.stdin.isatty() and session.err.is_screen):
        return None
    typed = getpass.getpass("Password (empty for none): ")
    return {"literal": typed} if typed else None


def _password_on_stdin() -> str:
    given = sys.stdin.buffer.read(_MAX_PASSWORD_BYTES + 1)
    if len(given) > _MAX_PASSWORD_BYTES:
        raise Stop(f"What is on standard input has more than {_MAX_PASSWORD_BYTES} bytes: no password.", ExitCode.USAGE)
    password = given.decode(sys.stdin.encoding, "surrogateescape").rstrip("\r\n")
    if not password:
        raise Stop("There is no password on standard input.", ExitCode.USAGE)
    return password
