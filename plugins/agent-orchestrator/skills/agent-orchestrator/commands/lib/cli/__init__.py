"""The commands."""

from ..machine import fast_start as fast_start
