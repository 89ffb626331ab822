"""Request bodies are checked strictly: a misspelt field is an error, not a change that silently did not happen."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses fields it does not have."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            names = [name for name, field in self.fields.items() if not field.read_only]
            unknown = sorted(str(name) for name in data if name not in names)
            if unknown:
                advice = f"There is no such field. Use: {', '.join(names)}."
                raise serializers.ValidationError({name: [advice] for name in unknown})
        return super().to_internal_value(data)
