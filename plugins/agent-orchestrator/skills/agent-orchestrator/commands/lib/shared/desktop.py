"""Variables with which a program reaches the desktop of the person who is logged in."""

from __future__ import annotations

DESKTOP_VARIABLES = (
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
)
"""A manager that a command starts gets them, for the commands of its alerts."""
