"""The in-process engine: models run by transformers in this process, on a CPU or a GPU."""
