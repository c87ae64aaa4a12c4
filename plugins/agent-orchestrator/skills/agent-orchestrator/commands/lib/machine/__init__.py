"""The machine that commands run on: environment, processes, files, time."""
