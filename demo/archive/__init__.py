"""Archives: many files, worker processes, and results as one data set that grows."""
