"""The database back end of PostgreSQL: Django's, made for many short requests."""
