"""Real databases that nobody of the project wrote, and the tests that read and write all of them through the API."""
