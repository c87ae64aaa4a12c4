"""Export and import: one format, its writer and its reader."""
