"""What a request passes before a route: who it is from, what it may do, whether there is room."""
