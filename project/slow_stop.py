"""A worker whose stop takes long says where it hangs: whoever started it will soon kill it, and then it is too late.

Faulthandler writes from a thread of its own that needs no interpreter, so it also sees a stop that hangs in the
interpreter's last steps.
"""

from __future__ import annotations

import faulthandler
import sys

from celery import signals

#: In seconds: less than the 20 after which `bin/run` kills.
AFTER = 15.0


@signals.worker_shutting_down.connect(dispatch_uid="project.slow_stop.watch")
def watch(**_: object) -> None:
    if sys.__stderr__ is not None:  # not sys.stderr: that is Celery's, and no file
        faulthandler.dump_traceback_later(AFTER, file=sys.__stderr__)
