"""Values, rules and errors. Knows neither HTTP nor SQL."""
