"""What the admin filters messages by."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifier', '0030_purge_schedule'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['status', '-created_at'], name='message_status'),
        ),
        migrations.AddIndex(
            model_name='message',
            index=models.Index(fields=['kind', '-created_at'], name='message_kind'),
        ),
    ]
