"""HTTP in, manager calls out; errors to statuses."""
