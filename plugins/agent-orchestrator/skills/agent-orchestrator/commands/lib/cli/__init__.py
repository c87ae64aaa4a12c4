"""The commands."""

from ..machine.fast_start import import_when_used

import_when_used("httpx")
