"""The tests of splice."""
