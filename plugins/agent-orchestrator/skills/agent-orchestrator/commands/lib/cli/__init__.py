"""The commands."""

from .. import startup as startup
