"""A history as CSV, charts as pictures."""

import csv
import io
import json
from typing import Any

from rest_framework.renderers import BaseRenderer


class CsvRenderer(BaseRenderer):
    """The lines of `results` with their names above them; an error is told as JSON is."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        if "results" not in data:
            return json.dumps(data, ensure_ascii=False).encode()
        text = io.StringIO()
        writer = csv.DictWriter(text, data["columns"], lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(data["results"])
        return text.getvalue().encode()
