"""Graph reasoners (MRGR): from a query and its references to one vector a query."""
