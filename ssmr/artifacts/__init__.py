"""What the stages leave for each other: feature banks and reference indexes in a store. NumPy, filelock and stdlib only."""
