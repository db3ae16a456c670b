"""The newest sheet: from the cache, else from the CBR (one question for all), else from the store."""

import datetime
import logging

from django.conf import settings
from django.utils import timezone

from rates import cache, cbr, schedule, store
from rates.answer import Answer

logger = logging.getLogger(__name__)

# How long another's question may take before those who find it under way serve what is stored. A question takes 13
# seconds, 23 at worst: with longer waits a slow CBR would fill a worker's few processes.
WAIT_SECONDS = 2.0
# A CBR that doesn't answer is asked again after this, or earlier where the cache lives shorter.
FAILURE_SECONDS = 30.0
# Where the sheet before the newest one isn't on the day that was expected, the Bank isn't asked for it again so soon.
LOOK_AGAIN_SECONDS = 12 * 60 * 60.0
# Without a cache, answers live just long enough for those who wait for them.
SHARED_SECONDS = 2.0


def newest(*, force: bool = False) -> Answer:
    """The newest sheet there is. With `force` the CBR is asked now, or has been since this call began."""
    since = timezone.now() if force or not settings.RATE_CACHE_TTL_SECONDS else None
    if answer := _cached(since):
        return answer
    with cache.single_flight(WAIT_SECONDS) as flight:
        if answer := _cached(since):
            return answer
        if flight is cache.Flight.OTHERS:
            return _stored("another process is still asking the CBR", timezone.now())
        if flight is cache.Flight.ALONE and since is None and (answer := _asked_lately()):
            return answer
        return _ask()


def fetch_day_before(date: datetime.date) -> None:
    """Stores the sheet before that of `date` where it is missing: a change is told against it.

    So it is after an installation and after a stop. Where the CBR doesn't answer, the next prewarming asks again.
    """
    expected = schedule.sheet_before(date)
    looked = f"rates:looked-before:{date}"
    if store.has_sheet(expected, date) or cache.flag(looked):
        return
    try:
        store.add_sheet(cbr.fetch_sheet(date - schedule.DAY))
    except cbr.CbrUnavailable as error:
        logger.warning("the sheet before that of %s: %s", date, error)
    else:
        cache.set_flag(looked, LOOK_AGAIN_SECONDS)  # of a holiday that was moved there is none


def _cached(since: datetime.datetime | None) -> Answer | None:
    answer = cache.get()
    return answer if answer and (since is None or answer.asked_at >= since) else None


def _asked_lately() -> Answer | None:
    """Without Redis the database tells when the CBR was asked, so that it isn't asked by every request."""
    contact = store.last_contact()
    lifetime = datetime.timedelta(seconds=_lifetime(failed=bool(contact and contact.error)))
    if contact is None or contact.asked_at + lifetime < timezone.now():
        return None
    return Answer(store.newest_stored_sheet(), not contact.error, contact.error, contact.asked_at)


def _ask() -> Answer:
    asked_at = timezone.now()
    try:
        sheet = cbr.fetch_sheet()
    except cbr.CbrUnavailable as error:
        logger.warning("%s", error)
        store.note_contact(asked_at, str(error))
        answer = _stored(str(error), asked_at)
        cache.put(answer, _lifetime(failed=True))
        return answer
    store.save_sheet(sheet)
    store.note_contact(asked_at)
    newest_date = store.newest_stored_date()
    if newest_date and newest_date > sheet.date:
        # Tomorrow's sheet is here already, imported or from a reply that was ahead of this one.
        sheet = store.newest_stored_sheet() or sheet
    answer = Answer(sheet, True, "", asked_at)
    cache.put(answer, _lifetime(failed=False))
    return answer


def _stored(reason: str, asked_at: datetime.datetime) -> Answer:
    return Answer(store.newest_stored_sheet(), False, reason, asked_at)


def _lifetime(*, failed: bool) -> float:
    seconds = float(settings.RATE_CACHE_TTL_SECONDS) or SHARED_SECONDS
    return min(seconds, FAILURE_SECONDS) if failed else seconds
