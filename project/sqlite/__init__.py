"""Django's SQLite backend with a short wait for the one writer, see project.sqlite.base."""
