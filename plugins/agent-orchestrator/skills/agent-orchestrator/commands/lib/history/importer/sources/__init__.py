"""Sources of an import: where they are, which formats read them, and how far they are read."""
