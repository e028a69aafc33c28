"""Who makes chains of actions that reflect, for a model too small to do it unasked."""
