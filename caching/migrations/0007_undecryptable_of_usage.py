from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("caching", "0006_peak_bytes_of_usage"),
    ]

    operations = [
        migrations.AddField(
            model_name="cacheusage",
            name="undecryptable",
            field=models.BigIntegerField(default=0),
        ),
    ]
