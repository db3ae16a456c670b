import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('rates', '0003_rate_name'),
    ]

    operations = [
        migrations.CreateModel(
            name='AskedRange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('start', models.DateField()),
                ('end', models.DateField()),
                ('asked_at', models.DateTimeField()),
                ('currency', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='asked_ranges', to='rates.currency')),
            ],
            options={
                'verbose_name': 'history asked for',
                'verbose_name_plural': 'history asked for',
                'ordering': ['currency', 'start'],
            },
        ),
    ]
