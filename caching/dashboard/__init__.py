"""What the caches page of the admin site is made of, beside its templates: a form, and figures that stay live."""
