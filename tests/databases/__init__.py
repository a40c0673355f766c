"""Real databases to test on: servers that live as long as the run, and empty databases for single tests."""
