"""The tools that agents call over MCP: they start, follow and lead the sessions below their own."""
