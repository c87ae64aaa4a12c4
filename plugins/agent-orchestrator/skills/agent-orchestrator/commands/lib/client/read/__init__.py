"""Reading of the record: the export, the newest events, searches and usage."""
