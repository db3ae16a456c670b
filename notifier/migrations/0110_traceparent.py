"""OpenTelemetry's trace of a request; its default is the database's, for versions that don't know it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifier', '0100_message_indexes'),
    ]

    operations = [
        migrations.AddField(
            model_name='raterequest',
            name='traceparent',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
    ]
