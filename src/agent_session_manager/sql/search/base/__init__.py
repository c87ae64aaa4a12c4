"""Code that the search indexes of both databases share: a search, and reads of the record."""
