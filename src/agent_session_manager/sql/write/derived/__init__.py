"""Values that each write keeps in step with the record: states, sums, positions in the feed."""
