"""The dashboard's page: the files that a browser loads before it has a token."""

from __future__ import annotations

import mimetypes
from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI, Request, Response

from agent_session_manager.api.http.errors import RequestError

STATIC = Path(__file__).parents[2] / "static"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
}
_FOR_EVER = "public, max-age=31536000, immutable"


def page_paths() -> frozenset[str]:
    """Return the paths of the page's files, which need no token: a new page has no token yet."""
    names = (path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())
    return frozenset({"/", *(f"/{name}" for name in names)})


def add_page(app: FastAPI) -> None:
    """Serve the page's files as they are now, each at its own path, and no other files.

    The files are kept in memory. Another build may replace them on the disk while the manager
    serves; its files have other names and are made for another manager.
    """
    files = {path: (STATIC / (path[1:] or "index.html")) for path in page_paths()}
    contents = {path: file.read_bytes() for path, file in files.items() if file.is_file()}
    tags = {path: f'"{sha256(content).hexdigest()}"' for path, content in contents.items()}

    async def serve(request: Request) -> Response:
        path = request.url.path
        if path not in contents:
            raise RequestError(
                404,
                "not_built",
                "the dashboard was not built when the manager started: run make dashboard, and "
                "restart the manager",
            )
        is_page = files[path].name == "index.html"
        caching = "no-cache" if is_page else _FOR_EVER
        headers = {**_HEADERS, "Cache-Control": caching, "ETag": tags[path]}
        if request.headers.get("if-none-match") == tags[path]:
            return Response(status_code=304, headers=headers)
        media_type, _ = mimetypes.guess_type(files[path].name)
        return Response(contents[path], headers=headers, media_type=media_type)

    for path in sorted(files):
        app.add_route(path, serve, methods=["GET"], include_in_schema=False)
    app.state.page_paths = frozenset(files)
