"""A process of readers and writers, directed by the lines of its standard input."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandParser

from tests.prove.crew import Answer, Crew, Message, Said


class Command(BaseCommand):
    help = "Read and write as told, one JSON message a line, until the input ends."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what the process is called in the history")

    def handle(self, *args: Any, **options: Any) -> None:
        turn = threading.Lock()

        def tell(event: Answer | Said) -> None:
            with turn:
                sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
                sys.stdout.buffer.flush()

        crew = Crew(options["name"], Path(os.environ["PROVE_HISTORY"]), tell)
        decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
        for line in sys.stdin.buffer:
            crew.take(decoder.decode(line))
