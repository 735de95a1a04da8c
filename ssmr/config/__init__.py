"""Loading, checking and fingerprinting configs."""
