"""An open database, its URL, its errors, and the statements that go directly to its driver."""
