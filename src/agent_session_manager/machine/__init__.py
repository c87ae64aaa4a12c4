"""The machine that the service runs on: its files and its clock."""
