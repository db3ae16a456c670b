"""The whole application beside its peers: `bin/bench app`, see run.py."""
