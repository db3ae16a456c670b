"""Measurements, not tests: `bin/bench transport` runs them, pytest doesn't collect them. See docs/benchmarks.md."""
