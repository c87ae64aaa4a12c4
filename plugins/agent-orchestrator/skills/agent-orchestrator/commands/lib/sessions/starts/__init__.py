"""Starts of runs: their plan, a new session or the next run, and the programs that start them."""
