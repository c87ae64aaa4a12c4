"""Sessions and runs: their states and names, requests and tokens of runs, notices and alerts."""
