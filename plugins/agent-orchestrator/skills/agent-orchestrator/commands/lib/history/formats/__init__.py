"""The formats: one module for each agent whose files can be imported. Each defines `FORMAT`."""
