"""What bin/run, bin/kafka and the tests start on this machine. No module here imports Django."""
