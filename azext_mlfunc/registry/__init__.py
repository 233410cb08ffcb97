"""A client of container registries: reads a base image's manifest and layers, and pushes blobs and manifests.

Source: OCI Distribution Specification 1.1. What it builds on, and why: docs/registry-client.md.
"""
