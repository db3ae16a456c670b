"""A web process that has just started answers at once."""

from __future__ import annotations

import subprocess
import sys

#: Django would read the URLs, and import the views for that, at the first request.
FIRST = """
from project import wsgi
from django.urls import URLResolver, reverse

def late(self):
    raise AssertionError(f"{self} is read at a request")

URLResolver._populate = late
print(reverse("admin:index"))
"""


def test_urls_are_read_before_the_first_request() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["/admin/"]
