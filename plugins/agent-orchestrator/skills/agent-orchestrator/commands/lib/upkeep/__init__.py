"""Care of what is kept on this machine: checks, and purging."""
