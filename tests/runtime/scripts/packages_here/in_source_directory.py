"""A module in the source directory."""

NAME = "in_source_directory"
