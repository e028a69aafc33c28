"""vLLM in this process: a scheduler for GPUs (and CPUs) that every search of a run shares."""
