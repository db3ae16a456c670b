"""Made-up input for every door of the service: a short form among the tests, a long one as `bin/fuzz`."""
