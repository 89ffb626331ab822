"""A day of a restaurant, served once more through the cache, to see whether it keeps its promises."""
