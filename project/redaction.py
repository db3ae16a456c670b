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
#: What a form has in it for sure, in small letters, tells at once that most lines need no search; the form itself; and
#: what to put there.
FORMS = (
    # The Bot API's token, anybody's.
    ((":",), re.compile(r"(?<!\d)\d{5,}:[A-Za-z0-9_-]{20,}"), STARS),
    # user:password@ in a URL.
    (("://",), re.compile(r"(?<=://)([^\s/:@'\"]*):[^\s/@'\"]+(?=@)"), rf"\1:{STARS}"),
    # Headers that let somebody in, however they are quoted.
    (("authorization",), re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?(?:\w+\s)?)[^\s'\",]+"), rf"\1{STARS}"),
    (
        ("sessionid", "csrftoken", "idempotency-key"),
        re.compile(r"(?i)((?:sessionid|csrftoken|idempotency-key)['\"]?\s*[:=]\s*['\"]?)[^\s'\",;]+"),
        rf"\1{STARS}",
    ),
)
PERSON_WORDS = ("telegram", "chat", "user", "supergroup")
PERSON = re.compile(
    r"(?i)((?:telegram[_ ]?id|chat[_ ]?id|\bchat|\buser[_ ]id|supergroup with id)['\"]?\s*[:= ]\s*['\"]?)"
    r"(-?\d{3,})(?!\d*[.:-]\d)"  # an address or a time is none
)


def masked(telegram_id: int | str) -> str:
    """Enough of a Telegram id to tell two apart, not enough to write to somebody: …42."""
    return f"…{str(telegram_id)[-2:]}"


def redacted(text: str) -> str:
    if (own := _pattern(tuple(settings.CONFIDENTIAL))) is not None:
        text = own.sub(STARS, text)
    small = text.lower()
    for words, form, instead in FORMS:
        if any(word in small for word in words):
            text = form.sub(instead, text)
    if any(word in small for word in PERSON_WORDS):
        text = PERSON.sub(lambda found: found[1] + masked(found[2]), text)
    return text


@functools.lru_cache(maxsize=8)
def _pattern(values: Iterable[str]) -> re.Pattern[str] | None:
    """What finds these values, as they are and as they stand in a URL."""
    forms = {form for value in values if len(value) >= SHORTEST for form in (value, quote(value, safe=""))}
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))) if forms else None
