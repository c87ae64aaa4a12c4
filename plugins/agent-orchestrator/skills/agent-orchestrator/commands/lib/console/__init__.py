"""The terminal: how commands are called, what they print, and how they fail."""
