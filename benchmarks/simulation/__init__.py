"""A simulated solver of stated error rates: no model is asked, nothing here is a model's score."""
