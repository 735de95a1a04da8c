"""What the stages leave for each other, feature banks and reference indexes in a store. NumPy and filelock only."""
