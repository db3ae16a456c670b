"""The id that a request's log lines have in common; its default is the database's, for versions that don't know it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifier', '0040_outbox'),
    ]

    operations = [
        migrations.AddField(
            model_name='raterequest',
            name='trace',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
    ]
