"""The documentation is run: every fenced block of README.md and docs/."""
