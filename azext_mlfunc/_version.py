"""The extension's version: read by setup.py, written into every manifest."""

VERSION = "0.1.0"
