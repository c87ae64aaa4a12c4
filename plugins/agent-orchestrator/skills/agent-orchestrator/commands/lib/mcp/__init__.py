"""The tools for agents over stdio: calls are sent to the manager, and starts happen here."""
