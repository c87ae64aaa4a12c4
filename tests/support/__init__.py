"""What several suites need: real managers, real clients, and waits that end."""
