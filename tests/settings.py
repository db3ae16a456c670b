"""The project's settings, cut off from `.env` and from a running `bin/run`, so that tests are the same everywhere."""

import os

os.environ["ENV_FILES"] = ""
os.environ.setdefault("SECRET_KEY", "only-for-tests")

from project.settings import *  # noqa: E402, F403
