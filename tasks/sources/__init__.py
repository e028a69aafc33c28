"""Where problems come from: one module per source, gathered by `cogitate.tasks.load`."""
