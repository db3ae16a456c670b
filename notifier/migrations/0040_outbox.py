"""Columns of the outbox. All have defaults in the database: an older version inserts rows while this one is there."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifier', '0002_sweep_schedule'),
    ]

    operations = [
        migrations.AddField(
            model_name='raterequest',
            name='claimed_by',
            field=models.CharField(blank=True, db_default='', default='', max_length=100),
        ),
        migrations.AddField(
            model_name='raterequest',
            name='possible_repeats',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='raterequest',
            name='sender',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
    ]
