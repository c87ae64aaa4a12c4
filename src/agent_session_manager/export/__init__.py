"""Export of one session as Markdown, HTML or JSON lines: the formats, and their renderer."""
