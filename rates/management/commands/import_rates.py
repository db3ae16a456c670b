"""manage.py import_rates FILE…"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from rates import cache
from rates.cbrxml import BadSheet
from rates.history import save_series
from rates.series import Series, parse_sheet_or_series
from rates.store import save_sheet

# Thirty years of one currency take about a megabyte.
MAX_FILE_BYTES = 8 * 1024 * 1024


class Command(BaseCommand):
    help = (
        "Stores saved replies of the Bank of Russia: daily sheets (XML_daily.asp) and series (XML_dynamic.asp). "
        "A bad file is named with what is wrong with it, and nothing of it is stored; the other files are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")

    def handle(self, *args: Any, files: list[Path], **options: Any) -> None:
        bad = sum(not self._import(path) for path in files)
        if bad < len(files):
            cache.forget()
        if bad:
            raise CommandError(f"{bad} of {len(files)} files not imported")

    def _import(self, path: Path) -> bool:
        try:
            self.stdout.write(import_file(path))
        except OSError as error:
            self.stderr.write(f"{path}: it can't be read: {error.strerror}")
            return False
        except BadSheet as error:
            self.stderr.write(f"{path}: {error}")
            return False
        return True


def import_file(path: Path) -> str:
    """Stores the sheet or series in a file and says what it was. Raises OSError, BadSheet."""
    with path.open("rb") as file:
        body = file.read(MAX_FILE_BYTES + 1)
    if len(body) > MAX_FILE_BYTES:
        raise BadSheet(f"it is larger than {MAX_FILE_BYTES} bytes")
    found = parse_sheet_or_series(body)
    if isinstance(found, Series):
        save_series(found, overwrite=True)
        days = f"{found.rates[0].date}..{found.rates[-1].date}" if found.rates else "no days"
        return f"{found.cbr_id} {days}: {len(found.rates)} rates"
    save_sheet(found)
    return f"{found.date}: {len(found.rates)} rates"
