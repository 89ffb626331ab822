"""What the benchmark counts and says, and that its sections work; never how fast anything is."""
