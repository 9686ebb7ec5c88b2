"""Reads a Dockerfile and a .dockerignore: exactly what ours use. Anything else is an error, so that nothing is skipped.

https://docs.docker.com/reference/dockerfile/
"""

import json
import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


class DockerfileError(Exception):
    """What the file says is wrong, or not among what we read."""


@dataclass(frozen=True)
class Run:
    """`caches` are the targets of `--mount=type=cache`. The shell form is already one of /bin/sh."""

    command: tuple[str, ...]
    caches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Copy:
    """From another stage where `stage` names one, else from the context."""

    sources: tuple[str, ...]
    target: str
    stage: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class Workdir:
    path: str


@dataclass(frozen=True)
class Env:
    values: Mapping[str, str]


@dataclass(frozen=True)
class User:
    """By number only: `uid:gid`."""

    uid: int
    gid: int


Step = Run | Copy | Workdir | Env | User


@dataclass(frozen=True)
class Healthcheck:
    command: tuple[str, ...]
    timeout_s: float
    interval_s: float
    start_period_s: float


@dataclass
class Stage:
    """What happens in order (`steps`), and what is only said about the image."""

    name: str
    base: str
    steps: list[Step] = field(default_factory=list)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    healthcheck: Healthcheck | None = None
    volumes: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    stop_signal: str = "SIGTERM"


def parse(text: str) -> list[Stage]:
    """The stages in order; the last one is the image. Raises DockerfileError."""
    stages: list[Stage] = []
    arguments: dict[str, str] = {}
    for line in _instructions(text):
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        try:
            if word == "FROM":
                stages.append(_stage(rest, arguments, stages))
            elif word == "ARG" and not stages:
                name, given, default = rest.partition("=")
                if not given:
                    raise DockerfileError("without a default")
                arguments[name] = default
            elif not stages:
                raise DockerfileError("before the first FROM")
            else:
                _add(stages[-1], word, rest, stages)
        except DockerfileError as error:
            raise DockerfileError(f"{line}: {error}") from None
    if not stages:
        raise DockerfileError("no FROM")
    return stages


def expand(text: str, values: Mapping[str, str]) -> str:
    """With $NAME and ${NAME} replaced. Raises DockerfileError for names without a value and for any other `$`."""

    def value(match: re.Match[str]) -> str:
        name = match["plain"] or match["braced"]
        if name is None or name not in values:
            raise DockerfileError(f"nothing is known of {match[0]}")
        return values[name]

    return re.sub(r"\$(?:(?P<plain>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\}|.?)", value, text)


def kept(paths: Iterable[str], dockerignore: str) -> list[str]:
    """Which files of the context the builder sees. The last pattern that fits a file, or a folder above it, decides.

    https://docs.docker.com/build/concepts/context/#dockerignore-files
    """
    rules = []
    for line in dockerignore.splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            keeps = pattern.startswith("!")
            rules.append((keeps, _pattern(pattern.removeprefix("!").strip("/"))))

    def is_kept(path: str) -> bool:
        parts = path.split("/")
        above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        answer = True
        for keeps, pattern in rules:
            if any(pattern.fullmatch(one) for one in above):
                answer = keeps
        return answer

    return [path for path in paths if is_kept(path)]


def _instructions(text: str) -> list[str]:
    """One line each: comments are gone, also those inside continued lines."""
    found: list[str] = []
    pending = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("#"):
            if re.match(r"#\s*(escape|syntax|check)\s*=", line):
                raise DockerfileError(f"{line}: parser directives are not read")
            continue
        if not line:
            continue
        if line.endswith("\\"):
            pending += line[:-1]
            continue
        found.append((pending + line).strip())
        pending = ""
    if pending:
        raise DockerfileError(f"{pending}: goes on behind the end of the file")
    return found


def _stage(rest: str, arguments: Mapping[str, str], before: Sequence[Stage]) -> Stage:
    match = re.fullmatch(r"(?P<base>\S+) AS (?P<name>[a-z][a-z0-9_-]*)", rest)
    if match is None:
        raise DockerfileError("not of the form FROM image AS name")
    base = expand(match["base"], arguments)
    if base in [stage.name for stage in before]:
        raise DockerfileError("a stage on top of another one is not read")
    return Stage(match["name"], base)


def _add(stage: Stage, word: str, rest: str, stages: Sequence[Stage]) -> None:
    flags, rest = _flags(rest) if word in ("RUN", "COPY", "HEALTHCHECK") else ([], rest)
    match word:
        case "RUN":
            stage.steps.append(Run(_command(rest), tuple(_cache(flag) for flag in flags)))
        case "COPY":
            stage.steps.append(_copy(flags, rest, [one.name for one in stages[:-1]]))
        case "WORKDIR":
            stage.steps.append(Workdir(rest))
        case "ENV":
            stage.steps.append(Env(_pairs(rest)))
        case "USER":
            match = re.fullmatch(r"(\d+):(\d+)", rest)
            if match is None:
                raise DockerfileError("not of the form uid:gid")
            stage.steps.append(User(int(match[1]), int(match[2])))
        case "ENTRYPOINT":
            stage.entrypoint = _exec_form(rest)
        case "CMD":
            stage.command = _exec_form(rest)
        case "HEALTHCHECK":
            stage.healthcheck = _healthcheck(flags, rest)
        case "VOLUME":
            stage.volumes += tuple(rest.split())
        case "EXPOSE":
            stage.ports += tuple(map(int, rest.split()))
        case "LABEL":
            stage.labels |= _pairs(rest)
        case "STOPSIGNAL":
            stage.stop_signal = rest
        case _:
            raise DockerfileError("this instruction is not read")


def _flags(rest: str) -> tuple[list[tuple[str, str]], str]:
    flags = []
    while match := re.match(r"--(?P<name>[a-z-]+)(?:=(?P<value>\S+))?(?:\s+|$)", rest):
        flags.append((match["name"], match["value"] or ""))
        rest = rest[match.end() :]
    return flags, rest


def _cache(flag: tuple[str, str]) -> str:
    options = dict(one.partition("=")[::2] for one in flag[1].split(","))
    if flag[0] != "mount" or options.keys() != {"type", "target"} or options["type"] != "cache":
        raise DockerfileError(f"--{flag[0]} other than --mount=type=cache,target=… is not read")
    return options["target"]


def _copy(flags: Sequence[tuple[str, str]], rest: str, stages: Sequence[str]) -> Copy:
    given = dict(flags)
    if unread := given.keys() - {"from", "chown", "link"}:
        raise DockerfileError(f"--{min(unread)} is not read")
    if rest.startswith(("[", "<<")) or "*" in rest or "?" in rest or '"' in rest:
        raise DockerfileError("only plain paths are read")
    *sources, target = rest.split()
    if not sources:
        raise DockerfileError("without a source")
    stage = given.get("from")
    if stage is not None and stage not in stages:
        raise DockerfileError(f"no earlier stage is called {stage}")
    return Copy(tuple(sources), target, stage, given.get("chown"))


def _healthcheck(flags: Sequence[tuple[str, str]], rest: str) -> Healthcheck:
    given = dict(flags)
    if given.keys() != {"interval", "timeout", "start-period", "retries"}:
        raise DockerfileError("says interval, timeout, start-period and retries, and nothing else")
    word, _, command = rest.partition(" ")
    if word != "CMD":
        raise DockerfileError("without CMD")
    return Healthcheck(
        _exec_form(command),
        timeout_s=_seconds(given["timeout"]),
        interval_s=_seconds(given["interval"]),
        start_period_s=_seconds(given["start-period"]),
    )


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)s", text)
    if match is None:
        raise DockerfileError(f"{text} is not a number of seconds")
    return float(match[1])


def _command(rest: str) -> tuple[str, ...]:
    if rest.startswith("<<"):
        raise DockerfileError("here-documents are not read")
    return _exec_form(rest) if rest.startswith("[") else ("/bin/sh", "-c", rest)


def _exec_form(rest: str) -> tuple[str, ...]:
    try:
        words = json.loads(rest)
    except ValueError:
        raise DockerfileError("not the exec form, through which signals reach the program itself") from None
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise DockerfileError("not a list of words")
    return tuple(words)


def _pairs(rest: str) -> dict[str, str]:
    pairs = {}
    for word in shlex.split(rest):
        name, equals, value = word.partition("=")
        if not equals:
            raise DockerfileError("not of the form NAME=value")
        pairs[name] = value
    return pairs


def _pattern(pattern: str) -> re.Pattern[str]:
    """Go's filepath.Match, and `**` for any number of folders. Raises DockerfileError for [classes] and escapes."""
    if re.search(r"[\[\]\\]", pattern):
        raise DockerfileError(f"{pattern}: classes and escapes are not read")
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", posixpath.normpath(pattern))
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts))
