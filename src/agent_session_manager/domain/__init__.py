"""Values, rules and errors, which know neither HTTP nor SQL."""
