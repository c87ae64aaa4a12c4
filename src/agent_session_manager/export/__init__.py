"""Export of one session as a document: Markdown, HTML or JSON lines."""
