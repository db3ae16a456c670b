"""When the CBR is asked: often while the next day's sheet is due (after 15:30 in Moscow), else every hour.

A migration, and not code that runs at every start, so that what is changed or deleted in the admin stays so.
"""

from django.db import migrations
from django.utils import timezone

WORKDAYS = "1-5"
# A crontab can't say 15:30-18:59 in one line. Messages that no worker takes in time expire (in seconds), so that a
# worker that comes back doesn't find a heap of them.
ENTRIES = [
    # name, minute, hour, day of week, expiry
    ("Rates, every 5 minutes 15:30-15:59", "30-59/5", "15", WORKDAYS, 240),
    ("Rates, every 5 minutes 16:00-18:59", "*/5", "16-18", WORKDAYS, 240),
    ("Rates, every hour", "7", "*", "*", 1800),
]
DESCRIPTION = "Fetches the newest sheet of the Bank of Russia ahead of requests. The times are Moscow's."


def create(apps, schema_editor):
    Crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    for name, minute, hour, day_of_week, expiry in ENTRIES:
        times = {
            "minute": minute,
            "hour": hour,
            "day_of_week": day_of_week,
            "day_of_month": "*",
            "month_of_year": "*",
            "timezone": "Europe/Moscow",
        }
        # Equal rows may be there more than once, so no get_or_create.
        crontab = Crontab.objects.filter(**times).first() or Crontab.objects.create(**times)
        values = {
            "task": "rates.tasks.prewarm",
            "crontab": crontab,
            "expire_seconds": expiry,
            "description": DESCRIPTION,
        }
        Task.objects.get_or_create(name=name, defaults=values)
    # What beat compares to see changes; while it is not there, beat overlooks the first one for five minutes.
    Track = apps.get_model("django_celery_beat", "PeriodicTasks")
    Track.objects.update_or_create(ident=1, defaults={"last_update": timezone.now()})


def delete(apps, schema_editor):
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    Task.objects.filter(name__in=[entry[0] for entry in ENTRIES]).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("rates", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, delete)]
