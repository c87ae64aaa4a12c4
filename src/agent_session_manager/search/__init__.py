"""Full-text search without a database: words of a text, queries, texts of events, snippets."""
