"""A model of several processes on two hosts, played step by step by hypothesis on real servers."""
