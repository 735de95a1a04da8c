"""The stages: from a config to feature banks, a reference index, a trained model and its evaluation."""
