import pytest

from tests.servers.dockerfile import (
    Copy,
    DockerfileError,
    Env,
    Healthcheck,
    Run,
    User,
    Workdir,
    expand,
    kept,
    parse,
)

_WHOLE = """
# A comment.
ARG NODE=24-slim
FROM node:${NODE} AS page
WORKDIR /page
COPY a.json b.json ./
RUN --mount=type=cache,target=/root/.npm npm ci && \\
    # in the middle
    npm run build

FROM python:3.11-slim AS image
ENV PATH=/x/bin:$PATH \\
    GREETING="good day"
LABEL title="A b" other=c
COPY --link --chown=7:8 --from=page /page/dist /dist
USER 7:8
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["ask", "it"]
RUN ["/bin/true"]
ENTRYPOINT ["serve"]
CMD ["--all"]
"""


def test_what_a_dockerfile_says():
    page, image = parse(_WHOLE)
    assert (page.name, page.base) == ("page", "node:24-slim")
    assert page.steps == [
        Workdir("/page"),
        Copy(("a.json", "b.json"), "./"),
        Run(("/bin/sh", "-c", "npm ci && npm run build"), caches=("/root/.npm",)),
    ]
    assert image.steps == [
        Env({"PATH": "/x/bin:$PATH", "GREETING": "good day"}),
        Copy(("/page/dist",), "/dist", stage="page", owner="7:8"),
        User(7, 8),
        Run(("/bin/true",)),
    ]
    assert (image.entrypoint, image.command, image.volumes, image.ports) == (
        ("serve",),
        ("--all",),
        ("/data",),
        (8000,),
    )
    assert image.labels == {"title": "A b", "other": "c"}
    assert image.healthcheck == Healthcheck(("ask", "it"), timeout_s=3, interval_s=10, start_period_s=30)


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "RUN true",
        "FROM python:3.11",
        "FROM python:$VERSION AS a",
        "ARG VERSION\nFROM python:$VERSION AS a",
        "# syntax=docker/dockerfile:1\nFROM python AS a",
        "FROM python AS a\nFROM a AS b",
        "FROM python AS a\nADD x y",
        'FROM python AS a\nSHELL ["x"]',
        "FROM python AS a\nrun true",
        "FROM python AS a\nRUN --mount=type=secret,id=x true",
        "FROM python AS a\nRUN --mount=type=cache,target=/x,uid=3 true",
        "FROM python AS a\nRUN --network=none true",
        "FROM python AS a\nRUN <<END",
        "FROM python AS a\nRUN true \\",
        "FROM python AS a\nCOPY x",
        "FROM python AS a\nCOPY *.py /x",
        "FROM python AS a\nCOPY --chmod=7 x y",
        "FROM python AS a\nCOPY --from=python:3 x y",
        "FROM python AS a\nUSER nobody",
        "FROM python AS a\nENV NAME value",
        "FROM python AS a\nENTRYPOINT serve",
        "FROM python AS a\nCMD []",
        'FROM python AS a\nHEALTHCHECK CMD ["x"]',
        "FROM python AS a\nHEALTHCHECK NONE",
    ],
)
def test_what_is_not_read_is_an_error(lines: str):
    with pytest.raises(DockerfileError):
        parse(lines)


def test_variables():
    assert expand("$A/${B}c", {"A": "1", "B": "2"}) == "1/2c"
    for unread in ("$C", "${A:-x}", "$$", "a$"):
        with pytest.raises(DockerfileError):
            expand(unread, {"A": "1"})


@pytest.mark.parametrize(
    ("dockerignore", "expected"),
    [
        ("", ["a/b.py", "a/node_modules/c.js", "d.md", "e/a/b.py"]),
        ("# nothing\n\n", ["a/b.py", "a/node_modules/c.js", "d.md", "e/a/b.py"]),
        ("*\n!a\n**/node_modules", ["a/b.py"]),
        ("*.md\n/a/", ["e/a/b.py"]),
        ("**/*.py", ["a/node_modules/c.js", "d.md"]),
        ("**/a\n!a/b.py", ["a/b.py", "d.md"]),
        ("?.md", ["a/b.py", "a/node_modules/c.js", "e/a/b.py"]),
    ],
)
def test_what_the_builder_sees(dockerignore: str, expected: list[str]):
    assert kept(["a/b.py", "a/node_modules/c.js", "d.md", "e/a/b.py"], dockerignore) == expected
