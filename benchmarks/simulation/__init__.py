"""A simulated solver of stated error rates: no model is asked, and nothing here is a model's score."""
