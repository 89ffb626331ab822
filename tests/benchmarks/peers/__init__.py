"""What peers keep and how they are asked; those that `make bench` installs are stood in for."""
