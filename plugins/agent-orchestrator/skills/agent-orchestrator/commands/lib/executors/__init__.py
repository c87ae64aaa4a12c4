"""What an executor promises, and those that need nothing of one agent's own."""
