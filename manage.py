#!/usr/bin/env python
"""Django's command line."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        from django.core.management import execute_from_command_line
        from django.db import OperationalError, ProgrammingError
    except ImportError as error:
        sys.exit(f"{error}: activate the environment that bin/run makes: . .venv/bin/activate")

    command = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        if "--help" not in sys.argv:
            from project import services

            services.before_manage_command(command)
        execute_from_command_line(sys.argv)
    except (OperationalError, ProgrammingError) as error:
        reason = str(error).strip().split("\n")[0]
        unmigrated = "no such table" in reason or "does not exist" in reason
        if "--traceback" in sys.argv or (isinstance(error, ProgrammingError) and not unmigrated):
            raise
        hint = ": run bin/run, or python manage.py migrate" if unmigrated else ""
        sys.exit(f"the database does not work (DATABASE_URL): {reason}{hint}")


if __name__ == "__main__":
    main()
