"""The lines of the board: what a terminal of a given size shows of its state."""
