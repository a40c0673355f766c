"""splice turns SQLAlchemy models into the FastAPI service you would have written by hand."""
