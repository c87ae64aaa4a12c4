"""The board: the sessions that need a person, that run, and that are done, live in a terminal."""
