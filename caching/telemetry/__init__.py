"""What monitoring systems are told of the cache: metrics, defined once for all of them, and spans."""
