"""What workers answer, asked without a process between."""
