"""HTTP code that all routes share: bodies, responses, errors and streams."""
