"""What came of asking for the newest sheet, in a form that the cache can keep."""

import datetime
import json
from dataclasses import dataclass
from decimal import Decimal

from rates.sheets import Sheet, SheetRate


@dataclass(frozen=True, slots=True)
class Answer:
    """`sheet` is None where nothing is stored either; `fresh`: the CBR has just been asked and answered."""

    sheet: Sheet | None
    fresh: bool
    reason: str
    asked_at: datetime.datetime

    def dumps(self) -> str:
        rates = [
            [r.cbr_id, r.num_code, r.char_code, r.nominal, r.name, str(r.value)]
            for r in (self.sheet.rates if self.sheet else ())
        ]
        return json.dumps(
            {
                "date": self.sheet.date.isoformat() if self.sheet else None,
                "rates": rates,
                "fresh": self.fresh,
                "reason": self.reason,
                "asked_at": self.asked_at.isoformat(),
            },
            ensure_ascii=False,
        )

    @classmethod
    def loads(cls, text: str) -> "Answer":
        """Raises ValueError, KeyError or TypeError for what `dumps` didn't write."""
        data = json.loads(text)
        sheet = None
        if data["date"]:
            rates = tuple(
                SheetRate(cbr_id, num_code, char_code, nominal, name, Decimal(value))
                for cbr_id, num_code, char_code, nominal, name, value in data["rates"]
            )
            sheet = Sheet(datetime.date.fromisoformat(data["date"]), rates)
        asked_at = datetime.datetime.fromisoformat(data["asked_at"])
        return cls(sheet, data["fresh"], data["reason"], asked_at)
