"""The commands, one module for each `ao-*` program."""

from ..machine import fast_start as fast_start
