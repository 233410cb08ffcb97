"""A module beside the entry script."""

calls = []
