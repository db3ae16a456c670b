"""Beat looks for stuck requests; the interval can be changed in the admin."""

from django.db import migrations

NAME = "Publish stuck rate requests again"


def create(apps, schema_editor):
    Interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    every, _ = Interval.objects.get_or_create(every=20, period="seconds")
    Task.objects.get_or_create(
        name=NAME,
        # Runs that pile up while no worker runs would all do the same: let them expire.
        defaults={"task": "notifier.tasks.sweep", "interval": every, "expire_seconds": 60},
    )


def delete(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("notifier", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, delete)]
