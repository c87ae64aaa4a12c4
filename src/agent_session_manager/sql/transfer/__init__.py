"""Export and import: the format, its writer and its reader."""
