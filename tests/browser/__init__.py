"""A package, so that all its modules share the browser: see the fixture `chromium`."""
