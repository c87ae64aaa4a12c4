"""The state of the board, its keys, and the acts that they start; it knows no terminal."""
