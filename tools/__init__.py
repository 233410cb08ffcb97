"""What this repository's Makefile runs."""
