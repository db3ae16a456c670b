"""Beat deletes old requests; when can be changed in the admin, how old by REQUESTS_KEPT_DAYS."""

from django.db import migrations

NAME = "Delete old rate requests"


def create(apps, schema_editor):
    Crontab = apps.get_model("django_celery_beat", "CrontabSchedule")
    Task = apps.get_model("django_celery_beat", "PeriodicTask")
    every_hour, _ = Crontab.objects.get_or_create(
        minute="41", hour="*", day_of_week="*", day_of_month="*", month_of_year="*", timezone="UTC"
    )
    Task.objects.get_or_create(
        name=NAME,
        defaults={"task": "notifier.tasks.purge", "crontab": every_hour, "expire_seconds": 1800},
    )


def delete(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("notifier", "0011_forget_keys_schedule"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(create, delete)]
