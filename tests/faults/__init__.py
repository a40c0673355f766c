"""What is acknowledged is stored, whatever happens: real processes on real databases, hurt on purpose."""
