"""What is read in SQL, one file for each kind."""
