"""The interface of a store: its protocol, and one module for each kind of data."""
