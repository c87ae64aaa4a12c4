"""A run on a terminal: how it is described, watched and answered, and the next steps after it."""
