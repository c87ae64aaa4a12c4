"""The machine that the service runs on: its files, its log and its clock."""
