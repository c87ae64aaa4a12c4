"""Programs as executors: their start, pipes and output, and the executor for any of them."""
