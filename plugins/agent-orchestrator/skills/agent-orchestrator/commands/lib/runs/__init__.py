"""Runs: what one needs, starting it, supervising it to its end, and stopping it."""
