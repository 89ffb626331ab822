"""Measures the cache beside its peers: every figure is a ratio of one run, every target a row that can fall short."""
