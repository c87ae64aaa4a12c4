"""
Session Client

HTTP client for Agent Session Manager API.
Replaces file-based session operations with API calls.
"""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Type, TypeVar
from urllib.parse import quote

import httpx

try:
    import fcntl
except ImportError:  # no manager runs on systems without fcntl
    fcntl = None  # type: ignore[assignment]

_T = TypeVar("_T")
_C = TypeVar("_C", bound="SessionClient")
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_PAGE = 1000
_NAMESPACES: Dict[str, str] = {}
_OUR_LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Addresses that a manager listens on. Another user can take any other loopback address."""


class SessionClientError(Exception):
    """Base exception for session client errors.

    `status_code` is the HTTP status and `code` the manager's own name for the error. Each is None
    if the response does not contain it.
    """

    def __init__(
        self, message: str, status_code: Optional[int] = None, code: Optional[str] = None
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.code = code


class SessionNotFoundError(SessionClientError):
    """Session does not exist."""


class InvalidURLError(SessionClientError):
    """The URL is not that of a manager. The message contains no password of the URL."""


class SessionClient:
    """Pooled connection to a manager, for any number of threads, until `close()`.

    The client reads the token of a local manager from the discovery file. The token of a remote
    manager is `AGENT_ORCHESTRATOR_TOKEN`. Every failure raises `SessionClientError`.
    """

    def __init__(self, base_url: str, timeout: float = 5.0):
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self._url = _parse(self.base_url)
        verify = _trusted(self._url)
        try:
            self._http = httpx.Client(
                timeout=timeout,
                auth=self._authorize,
                trust_env=not _is_loopback(self._url.host),  # no proxy for loopback
                verify=verify,
            )
        except (httpx.InvalidURL, ImportError, OSError, ValueError) as exc:
            is_quoted = isinstance(exc, httpx.InvalidURL)  # a part of it may be a password
            raise SessionClientError(
                f"{self.base_url}: the environment's proxy settings (ALL_PROXY, HTTP_PROXY, "
                f"HTTPS_PROXY, NO_PROXY) cannot be used: {'one is not a URL' if is_quoted else exc}"
            ) from None

    def __enter__(self: _C) -> _C:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def create_session(
        self,
        session_id: str,
        session_name: str,
        project_dir: Optional[str] = None,
        agent_name: Optional[str] = None,
    ) -> Dict[str, Any]:
        """Create new session with full metadata."""
        body = {
            "session_id": session_id,
            "session_name": session_name,
            "project_dir": project_dir,
            "agent_name": agent_name,
        }
        return self._get("session", dict, "POST", "/sessions", body)

    def get_session(self, session_id: str) -> Dict[str, Any]:
        """Get session details. Raises SessionNotFoundError if not found."""
        return self._get("session", dict, "GET", _path(session_id))

    def get_session_by_name(
        self, session_name: str, project_dir: Optional[str] = None
    ) -> Optional[Dict[str, Any]]:
        """Get the newest session of this name that is not archived, or None.

        `project_dir` limits the search to the sessions of that project.
        """
        query = {"session_name": session_name, "archived": "false", "limit": "1"}
        if project_dir is not None:
            query["project_dir"] = project_dir
        found = self._get("sessions", list, "GET", "/sessions" + _query(query))
        return found[0] if found else None

    def get_status(self, session_id: str) -> str:
        """Get session status: 'running', 'finished', or 'not_existent'."""
        if not _is_session_id(session_id):
            return "not_existent"
        path = _path(session_id) + "/status"
        status = self._get("status", str, "GET", path)
        if status not in ("running", "finished", "not_existent"):
            raise self._misshapen("GET", path)
        return status

    def get_result(self, session_id: str) -> str:
        """Get session result. Raises if not finished or not found."""
        return self._get("result", str, "GET", _path(session_id) + "/result")

    def list_sessions(self) -> List[Dict[str, Any]]:
        """List all sessions, newest first."""
        sessions: List[Dict[str, Any]] = []
        query = {"limit": str(_PAGE)}
        while True:
            page = self._request("GET", "/sessions" + _query(query))
            if not isinstance(page.get("sessions"), list):
                raise self._misshapen("GET", "/sessions")
            sessions += page["sessions"]
            if not page.get("next_page"):
                return sessions
            query["page"] = str(page["next_page"])

    def add_event(self, session_id: str, event: Dict[str, Any]) -> None:
        """Add event to session. Handles session_stop specially on server.

        Returns once the event is on the manager's disk.
        """
        self._do("POST", _path(session_id) + "/events", event)

    def update_session(
        self,
        session_id: str,
        session_name: Optional[str] = None,
        last_resumed_at: Optional[str] = None,
    ) -> Dict[str, Any]:
        """Update session metadata. A `last_resumed_at` makes the session running again."""
        given = {"session_name": session_name, "last_resumed_at": last_resumed_at}
        body = {name: value for name, value in given.items() if value is not None}
        return self._get("session", dict, "PATCH", _path(session_id), body)

    def delete_session(self, session_id: str) -> bool:
        """Delete session and events. Returns True if deleted, False if not found."""
        try:
            self._do("DELETE", _path(session_id))
        except SessionNotFoundError:
            return False
        return True

    def _get(
        self,
        key: str,
        kind: Type[_T],
        method: str,
        path: str,
        body: Any = None,
    ) -> _T:
        """Send one request and return the part of the response under `key`."""
        answer = self._request(method, path, body)
        part = answer.get(key)
        if not isinstance(part, kind):
            raise self._misshapen(method, path)
        return part

    def _do(self, method: str, path: str, body: Any = None) -> None:
        """Send one request whose response only confirms success."""
        if not self._get("ok", bool, method, path, body):
            raise self._misshapen(method, path)

    def _misshapen(self, method: str, path: str) -> SessionClientError:
        return SessionClientError(
            f"{method} {self.base_url}{path}: an answer of another shape: not a session manager?"
        )

    def _request(self, method: str, path: str, body: Any = None) -> Dict[str, Any]:
        """Send one request and return the parsed response."""
        content = None
        if body is not None:
            try:
                content = json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
            except (TypeError, ValueError, RecursionError) as exc:
                raise SessionClientError(
                    f"{method} {self.base_url}{path}: cannot be sent as JSON: {exc}"
                ) from exc
        return self._exchange(method, path, content)

    def _exchange(
        self,
        method: str,
        path: str,
        content: Optional[bytes],
        content_type: str = "application/json",
    ) -> Dict[str, Any]:
        """Send one request with an optional JSON body, and return the parsed response."""
        what = f"{method} {self.base_url}{path}"
        headers = {} if content is None else {"Content-Type": content_type}
        try:
            response = self._http.request(
                method, self.base_url + path, content=content, headers=headers
            )
        except (httpx.HTTPError, httpx.InvalidURL, RuntimeError, UnicodeError) as exc:
            reason = str(exc) or type(exc).__name__
            raise SessionClientError(f"{what}: {reason}") from exc
        try:
            answer = response.json()
        except (ValueError, RecursionError) as exc:
            if not response.is_success:
                raise _refusal(what, response, None) from exc
            raise SessionClientError(
                f"{what}: the answer is not JSON", status_code=response.status_code
            ) from exc
        if not response.is_success:
            raise _refusal(what, response, answer)
        if not isinstance(answer, dict):
            raise self._misshapen(method, path)
        return answer

    def _token(self) -> Optional[str]:
        return _find_token(self._url)

    def _authorize(self, request: "httpx.Request") -> "httpx.Request":
        """Add the token. It is looked up for each request, as the manager may have stopped."""
        token = self._token()
        if token and not (token.isascii() and token.isprintable()):
            # Checked here, because httpx would include the token in its own error.
            raise SessionClientError(f"{self.base_url}: its token cannot be sent in a header")
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request


def get_client(base_url: str) -> SessionClient:
    """Get a SessionClient instance."""
    return SessionClient(base_url)


def _is_session_id(session_id: str) -> bool:
    return isinstance(session_id, str) and _SESSION_ID.fullmatch(session_id) is not None


def _path(session_id: str) -> str:
    """Return the path of a session. An invalid id is never sent, as it might match a route."""
    if not _is_session_id(session_id):
        raise SessionNotFoundError(f"no session {session_id!r}: not a session id", 404)
    return f"/sessions/{session_id}"


def _query(parameters: Mapping[str, str]) -> str:
    try:
        pairs = [f"{name}={quote(value, safe='')}" for name, value in parameters.items()]
    except (TypeError, UnicodeError) as exc:
        raise SessionClientError(f"cannot be asked for: {exc}") from exc
    return "?" + "&".join(pairs)


def _refusal(what: str, response: "httpx.Response", answer: Any) -> SessionClientError:
    said = answer if isinstance(answer, dict) else {}
    detail = said.get("detail") or response.reason_phrase or "no reason given"
    code = said.get("code") if isinstance(said.get("code"), str) else None
    kind = SessionNotFoundError if response.status_code == 404 else SessionClientError
    message = f"{what}: {response.status_code} {detail}"
    return kind(message, status_code=response.status_code, code=code)


def _parse(base_url: str) -> "httpx.URL":
    """Return the URL. An error shows no part of it that may be a password."""
    shown = re.sub("(?s)[?#].*", "…", re.sub(r"(?s)^(\w+:/+)?.*@", r"\1…@", base_url))
    try:
        url = httpx.URL(base_url)
        url.host.encode("idna")
    except (httpx.InvalidURL, TypeError, UnicodeError) as exc:
        why = "" if "@" in base_url else f": {exc}"  # it quotes a part of the URL
        raise InvalidURLError(f"{shown!r} is not a URL{why}") from None
    if url.scheme in ("http", "https") and url.host and not (url.userinfo or {*"?#"} & {*base_url}):
        return url
    raise InvalidURLError(f"{shown!r} is not an http:// or https:// URL without user, ? and #")


def _trusted(url: "httpx.URL") -> Any:
    """Return the certificates to trust.

    `SSL_CERT_FILE` applies to loopback addresses too, although proxy settings do not.
    """
    if url.scheme == "http":
        return False  # HTTP uses no certificates, and loading them takes time
    try:
        return httpx.create_ssl_context()
    except (OSError, ValueError) as exc:
        raise SessionClientError(f"{url}: no certificates to trust: {exc}") from exc


def _is_loopback(host: str) -> bool:
    return host in _OUR_LOOPBACK or host.startswith("127.")


def _find_token(url: "httpx.URL") -> Optional[str]:
    """Return the token for this manager.

    For a local manager, it is the token of the manager that serves there now. The configured token
    is sent to remote managers. It is sent to a loopback address only if that is the configured URL,
    for example of a tunnel.
    """
    token = None
    if url.host in _OUR_LOOPBACK:
        found = _discover(url.port or (443 if url.scheme == "https" else 80))
        token = found["token"] if found else None
    if token is None and _is_loopback(url.host):
        configured = os.environ.get("AGENT_ORCHESTRATOR_SESSION_MANAGER_URL", "")
        if configured.rstrip("/") != str(url).rstrip("/"):
            return None
    return token or os.environ.get("AGENT_ORCHESTRATOR_TOKEN", "").strip() or None


def _state_dir() -> Path:
    given = os.environ.get("AGENT_ORCHESTRATOR_STATE_DIR")
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "agent-orchestrator"


def _discover(port: int) -> Optional[Dict[str, Any]]:
    """Return the discovery file of the manager on this port of our network namespace.

    A container that shares the directory has its own ports. Another program may use the same port
    here.
    """
    found = _read_held(port)
    if found is None or not isinstance(found.get("token"), str):  # not serving yet
        return None
    return found if found.get("network", _namespace("net")) == _namespace("net") else None


def _read_held(port: int) -> Optional[Dict[str, Any]]:
    """Return the content of the discovery file, if a running manager holds its lock."""
    if fcntl is None:
        return None
    try:
        path = _state_dir() / f"manager-{port}.json"
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except (OSError, RuntimeError):  # no such file, or no home directory
        return None
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            found = json.loads(os.read(descriptor, 65536))
            return found if isinstance(found, dict) else None
        return None  # not locked: the manager that wrote the file has ended
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)


def _namespace(kind: str) -> str:
    """Return the identifier of our process id ("pid") or network ("net") namespace on this boot.

    Process ids and ports are only valid within one namespace. The identifier is empty on systems
    without namespaces. The manager builds it in the same way.
    """
    if kind not in _NAMESPACES:
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            _NAMESPACES[kind] = f"{boot} {Path(f'/proc/self/ns/{kind}').readlink()}"
        except OSError:
            _NAMESPACES[kind] = ""
    return _NAMESPACES[kind]
