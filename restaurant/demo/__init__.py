"""Three made-up restaurants to look at and to try things on."""
