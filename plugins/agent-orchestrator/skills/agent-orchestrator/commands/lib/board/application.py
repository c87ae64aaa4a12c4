"""The board on a terminal: it draws the lines, reads the keys, and does what they mean."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from threading import Thread

from prompt_toolkit.application import Application
from prompt_toolkit.application.run_in_terminal import run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    FormattedTextControl,
    HSplit,
    Layout,
    VSplit,
    Window,
)
from prompt_toolkit.styles import Style

from ..client.connection.connect import client_of
from ..console.command import CommandError, explain
from ..session_client import SessionClientError
from ..sessions.errors import SessionError
from .feed import Change, follow_manager
from .logs import page_logs
from .lookups import Lookups
from .state.acts import Act, Resume, ShowLogs
from .state.board import Board
from .state.keys import PRESSED, Keys
from .state.mode import Typing
from .threads import call_in_thread
from .view.line import CURSOR, LOOKS, Line
from .view.screen import screen_lines, typing_label

REDRAW_SECONDS = 1.0
"""Ages grow without a change."""
_ESCAPE_SECONDS = 0.05
"""Time in which the rest of a key's sequence arrives after Escape."""
_NAMES = {"space": " "}
"""Names of keys that differ in prompt_toolkit."""
_ERRORS = (SessionClientError, SessionError, CommandError, OSError)
"""Errors of acts, with texts for people."""


def show_board(url: str) -> None:
    """Show the board of a manager on this terminal until the person leaves it."""
    _Application(url).run()


class _Application:
    def __init__(self, url: str) -> None:
        self._url = url
        self._board = Board()
        self._keys = Keys(self._board)
        self._lookups = Lookups(url, self._board, self._draw)
        self._buffer = Buffer(multiline=False, on_text_changed=lambda b: self._typed(b.text))
        self._input = BufferControl(buffer=self._buffer)
        self._body = FormattedTextControl(self._draw_body, focusable=True, show_cursor=True)
        self._lines: list[Line] = []
        self._app: Application[None] = Application(
            layout=Layout(self._container(), focused_element=self._body),
            key_bindings=self._bindings(),
            style=Style.from_dict({f"ao-{name}": _style(name) for name in LOOKS if name}),
            full_screen=True,
            refresh_interval=REDRAW_SECONDS,
        )
        self._app.ttimeoutlen = _ESCAPE_SECONDS

    def run(self) -> None:
        """Show the board.

        Raises:
            Exception: an error in the board itself; the terminal is as it was before.
        """
        with suppress(EOFError):  # the terminal was closed
            self._app.run(pre_run=self._begin, set_exception_handler=False, handle_sigint=False)

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self._leave(context.get("exception")))
        loop.add_signal_handler(signal.SIGTERM, self._leave)

        Thread(target=self._follow, args=(loop,), daemon=True).start()

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Follow the manager, in a thread of its own."""

        def tell(change: Change) -> None:
            loop.call_soon_threadsafe(self._change, change)

        with suppress(RuntimeError):  # the loop is closed: the person has left the board
            try:
                follow_manager(self._url, self._board, tell)
            except Exception as exc:
                loop.call_soon_threadsafe(self._leave, exc)

    def _leave(self, error: BaseException | None = None) -> None:
        if self._app.is_done:
            return
        if error is None:
            self._app.exit()
        else:
            self._app.exit(exception=error)

    # Drawing.

    def _container(self) -> HSplit:
        is_typing = Condition(lambda: isinstance(self._keys.mode, Typing))
        label = Window(FormattedTextControl(self._draw_label), dont_extend_width=True, height=1)
        text = Window(self._input, height=1)
        return HSplit(
            [
                Window(self._body, always_hide_cursor=is_typing),
                ConditionalContainer(VSplit([label, text]), is_typing),
                Window(FormattedTextControl(self._draw_keys), height=1),
            ]
        )

    def _draw_body(self) -> StyleAndTextTuples:
        size = self._app.output.get_size()
        self._lines = screen_lines(self._keys, size.columns, size.rows, datetime.now(UTC))
        below = 2 if isinstance(self._keys.mode, Typing) else 1
        pieces: StyleAndTextTuples = []
        for line in self._lines[:-below]:
            pieces += [*_pieces(line), ("", "\n")]
        return pieces[:-1]

    def _draw_label(self) -> StyleAndTextTuples:
        mode = self._keys.mode
        width = self._app.output.get_size().columns
        return [("bold", typing_label(mode, width))] if isinstance(mode, Typing) else []

    def _draw_keys(self) -> StyleAndTextTuples:
        return _pieces(self._lines[-1]) if self._lines else []

    # Keys.

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        is_typing = Condition(lambda: isinstance(self._keys.mode, Typing))
        for name in PRESSED:
            press = partial(self._press, name)
            eager = name == "escape"
            bindings.add(_NAMES.get(name, name), filter=~is_typing, eager=eager)(press)
        bindings.add("<any>", filter=~is_typing)(partial(self._press, "other"))
        bindings.add("enter", filter=is_typing)(self._submit)
        for name in ("escape", "c-c", "c-g"):
            bindings.add(name, filter=is_typing, eager=True)(self._cancel)
        bindings.add("c-c", filter=~is_typing)(partial(self._press, "q"))
        bindings.add("c-l")(lambda event: event.app.renderer.clear())
        bindings.add("c-z")(lambda event: event.app.suspend_to_background())
        return bindings

    def _press(self, name: str, _event: KeyPressEvent) -> None:
        self._after(self._keys.press(name))

    def _submit(self, _event: KeyPressEvent) -> None:
        self._after(self._keys.submit(self._buffer.text))

    def _cancel(self, _event: KeyPressEvent) -> None:
        self._keys.cancel(self._buffer.text)
        self._after(None)

    def _typed(self, text: str) -> None:
        self._keys.typed(text)

    def _after(self, act: Act | None) -> None:
        """Do what a key has started."""
        if self._keys.is_over:
            self._leave()
            return
        mode = self._keys.mode
        if isinstance(mode, Typing):
            self._buffer.text = mode.text
            self._buffer.cursor_position = len(mode.text)
            self._app.layout.focus(self._input)
        else:
            self._app.layout.focus(self._body)
        if isinstance(act, ShowLogs):
            run_in_terminal(partial(self._show_logs, act))
        elif act is not None:
            if act.doing:
                self._keys.say(f"{act.doing} {act.name}…")
            self._app.create_background_task(self._perform(act))
        self._draw()

    async def _perform(self, act: Act) -> None:
        def work() -> str:
            with client_of(self._url) as manager:
                return act.perform(manager)

        try:
            words = await call_in_thread(work, is_kept=isinstance(act, Resume))
        except _ERRORS as exc:
            self._keys.fail(act, _words_of(exc))
        else:
            self._keys.succeed(act, words)
        self._draw()

    def _show_logs(self, act: ShowLogs) -> None:
        try:
            page_logs(self._url, act.session)
        except _ERRORS as exc:
            self._keys.fail(act, _words_of(exc))

    # What the manager tells.

    def _change(self, change: Change) -> None:
        if not self._app.is_done:
            change()
            self._draw()

    def _draw(self) -> None:
        self._lookups.look()
        self._app.invalidate()


def _pieces(line: Line) -> StyleAndTextTuples:
    """Return a line in the words of prompt_toolkit."""
    return [
        ("[SetCursorPosition]" if look == CURSOR else f"class:ao-{look}" if look else "", text)
        for look, text in line
    ]


def _style(look: str) -> str:
    style = LOOKS[look]
    names = [name for name in ("bold", "dim") if style.get(name)]
    return " ".join([*names, *([f"fg:ansi{style['fg']}"] if "fg" in style else [])])


def _words_of(error: Exception) -> str:
    return explain(error) if isinstance(error, SessionClientError) else str(error)
