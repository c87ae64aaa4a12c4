"""A database: opening it, owning it, its connections, its high-water mark."""
