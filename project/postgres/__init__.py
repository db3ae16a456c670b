"""Django's PostgreSQL backend with a bound on the wait for an answer, see project.postgres.base."""
