"""What can be done with sessions, by commands and by whatever else needs no terminal."""
