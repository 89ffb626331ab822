from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("caching", "0002_pending_invalidation"),
    ]

    operations = [
        migrations.AlterField(
            model_name="cacheevent",
            name="action",
            field=models.CharField(
                choices=[("clear", "cleared"), ("warm", "warmed"), ("evict", "found old, evicted")], max_length=5
            ),
        ),
    ]
