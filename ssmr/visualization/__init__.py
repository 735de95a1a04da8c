"""Pictures of results. matplotlib is imported when one is drawn, not before, and never opens a window."""
