"""That sections work, with very small numbers and without the peers that `make bench` installs."""
