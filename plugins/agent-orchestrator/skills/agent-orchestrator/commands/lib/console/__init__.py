"""Calls of commands: their options, completion, errors, connection to the manager, and browser."""
