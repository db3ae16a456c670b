"""Beat forgets old Idempotency-Keys; the interval can be changed in the admin."""

from django.db import migrations

NAME = "Forget old Idempotency-Keys"


def create(apps, schema_editor):
    Interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    every, _ = Interval.objects.get_or_create(every=3600, period="seconds")
    Task.objects.get_or_create(
        name=NAME,
        defaults={"task": "notifier.tasks.forget_idempotency_keys", "interval": every, "expire_seconds": 600},
    )


def delete(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("notifier", "0010_api_requests"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, delete)]
