"""Beat looks for digests and alerts that are due; the interval can be changed in the admin."""

from django.db import migrations
from django.utils import timezone

NAME = "Send digests and alerts that are due"


def create(apps, schema_editor):
    Interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    # Equal rows may be there more than once, so no get_or_create.
    times = {"every": 20, "period": "seconds"}
    every = Interval.objects.filter(**times).first() or Interval.objects.create(**times)
    # Runs that pile up while no worker runs would all do the same: let them expire.
    defaults = {"task": "notifier.tasks.send_due", "interval": every, "expire_seconds": 60}
    Task.objects.get_or_create(name=NAME, defaults=defaults)
    # What beat compares to see changes.
    Track = apps.get_model("django_celery_beat", "PeriodicTasks")
    Track.objects.update_or_create(ident=1, defaults={"last_update": timezone.now()})


def delete(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("notifier", "0020_chats"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, delete)]
