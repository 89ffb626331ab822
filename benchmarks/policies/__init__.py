"""A week of a restaurant in simulated time, once for each policy of the cache: what does it gain, and is all fresh?"""
