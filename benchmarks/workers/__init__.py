"""Programs that sections start, for what needs a process or settings of its own; they talk in lines of JSON."""
