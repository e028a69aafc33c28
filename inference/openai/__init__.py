"""Models behind OpenAI-compatible servers: see `engine.OpenAI`."""
