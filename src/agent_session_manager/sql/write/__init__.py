"""What is written in SQL, one file for each kind, within one transaction."""
