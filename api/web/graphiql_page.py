"""GraphiQL at /graphiql: a page that is built from graphiql/ beside this file, and served from this origin alone."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

BUILT = Path(__file__).parent / "graphiql" / "dist"

# What the page may do, of its own origin only; `connect-src 'self'` covers its sockets too (CSP level 3).
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",  # Monaco's style sheets draw with them
        # Monaco writes its theme into <style> elements and positions into style attributes, and knows no nonce (0.52).
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",  # GraphiQL's hold its fonts
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_INDEX = "index.html"
_IMMUTABLE = "public, max-age=31536000, immutable"  # a file whose content changes gets another name
_ASK_AGAIN = "no-cache"
_NOT_BUILT = "GraphiQL is not built: run `make run`, or `npm ci && npm run build` in api/web/graphiql.\n"
# Not from the system's table, which may say otherwise.
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
}
# By preference. The build writes name.br and name.gz beside what is worth it.
_ENCODINGS = {"br": ".br", "gzip": ".gz"}


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the build: its content by encoding ("" as it is), and its entity tag."""

    media_type: str
    content: dict[str, bytes]
    tag: str


def routes(built: Path = BUILT) -> list[Route]:
    """The page, its files, and the way from / to it. The files are read now: only what was built can be asked for."""
    files = _read(built)

    async def page(request: Request) -> Response:
        index = files.get(_INDEX)
        if index is None:
            return PlainTextResponse(_NOT_BUILT, 503)
        return _answer(request, index, _ASK_AGAIN)

    async def asset(request: Request) -> Response:
        file = files.get(f"assets/{request.path_params['name']}")
        if file is None:
            return PlainTextResponse("Not Found", 404)
        return _answer(request, file, _IMMUTABLE)

    async def home(_request: Request) -> Response:
        return RedirectResponse("/graphiql", 307)

    return [
        Route("/", home),
        Route("/graphiql", page),
        Route("/graphiql/", page),
        Route("/graphiql/assets/{name}", asset),
    ]


def _read(built: Path) -> dict[str, _File]:
    """All files of the build by their path in it; none where there is no build."""
    paths = {path.relative_to(built).as_posix(): path for path in built.rglob("*") if path.is_file()}
    return {
        name: _file(
            name, {"": path} | {each: paths[name + end] for each, end in _ENCODINGS.items() if name + end in paths}
        )
        for name, path in paths.items()
        if not name.endswith(tuple(_ENCODINGS.values()))
    }


def _file(name: str, paths: dict[str, Path]) -> _File:
    content = {encoding: path.read_bytes() for encoding, path in paths.items()}
    return _File(
        media_type=_MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream"),
        content=content,
        tag=hashlib.sha256(content[""]).hexdigest()[:32],
    )


def _answer(request: Request, file: _File, cache_control: str) -> Response:
    encoding = _encoding(request.headers.get("accept-encoding", ""), file)
    # Strong tags differ between encodings of the same content (RFC 9110, 8.8.3).
    tag = f'"{file.tag}{encoding and "-"}{encoding}"'
    headers = {
        "Cache-Control": cache_control,
        "Content-Security-Policy": _POLICY,
        "ETag": tag,
        "Vary": "Accept-Encoding",
    }
    if tag in re.findall(r'"[^"]*"', request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    if encoding:
        headers["Content-Encoding"] = encoding
    return Response(file.content[encoding], media_type=file.media_type, headers=headers)


def _encoding(accepted: str, file: _File) -> str:
    """The best of the encodings that a client accepts and the build has; "" for the content as it is."""
    names = {
        name.strip().lower()
        for name, _, weight in (part.partition(";") for part in accepted.split(","))
        if not re.fullmatch(r"\s*q=0(\.0*)?\s*", weight)
    }
    return next((each for each in _ENCODINGS if each in names and each in file.content), "")
