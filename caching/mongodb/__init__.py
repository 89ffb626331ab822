"""A database engine: MongoDB's own `django_mongodb_backend`, with transactions that mean what they mean elsewhere."""
