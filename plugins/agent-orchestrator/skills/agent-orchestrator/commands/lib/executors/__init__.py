"""The interface of executors, with what they share: questions, forms, modes, the MCP server."""
