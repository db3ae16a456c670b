"""Takes what is nobody's business out of a text: passwords, tokens and keys; and Telegram ids but for their end.

Every log line goes through `redacted`, tracebacks too, and so do Django's error pages.
"""

import functools
import re
from collections.abc import Iterable
from urllib.parse import quote

from django.conf import settings

STARS = "*****"
#: Shorter ones would be found in any text.
SHORTEST = 6
FORMS = (
    # The Bot API's token, anybody's.
    (re.compile(r"(?<!\d)\d{5,}:[A-Za-z0-9_-]{20,}"), STARS),
    # user:password@ in a URL.
    (re.compile(r"(?<=://)([^\s/:@'\"]*):[^\s/@'\"]+(?=@)"), rf"\1:{STARS}"),
    # Headers that let somebody in, however they are quoted.
    (re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?(?:\w+\s)?)[^\s'\",]+"), rf"\1{STARS}"),
    (re.compile(r"(?i)((?:sessionid|csrftoken|idempotency-key)['\"]?\s*[:=]\s*['\"]?)[^\s'\",;]+"), rf"\1{STARS}"),
)
PERSON = re.compile(
    r"(?i)((?:telegram[_ ]?id|chat[_ ]?id|\bchat|\buser[_ ]id|\bto)['\"]?\s*[:= ]\s*['\"]?)(-?\d{3,})(?!\d*[.:-]\d)"
)


def masked(telegram_id: int | str) -> str:
    """Enough of a Telegram id to tell two apart, not enough to write to somebody: …42."""
    return f"…{str(telegram_id)[-2:]}"


def redacted(text: str) -> str:
    if (own := _pattern(tuple(settings.CONFIDENTIAL))) is not None:
        text = own.sub(STARS, text)
    for form, instead in FORMS:
        text = form.sub(instead, text)
    return PERSON.sub(lambda found: found[1] + masked(found[2]), text)


@functools.lru_cache(maxsize=8)
def _pattern(values: Iterable[str]) -> re.Pattern[str] | None:
    """What finds these values, as they are and as they stand in a URL."""
    forms = {form for value in values if len(value) >= SHORTEST for form in (value, quote(value, safe=""))}
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))) if forms else None
