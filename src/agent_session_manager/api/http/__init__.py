"""What every route uses of HTTP: bodies, responses, errors and streams."""
