"""Azure Resource Manager: resources by ID, written and read by the operations of resource providers.

Rooms: ``operation`` what a provider declares and is given, ``router`` from a request to an answer, ``body`` what the
JSON of requests has to be like, ``errors`` the two envelopes, ``long_running`` the shapes of operations that take their
time, ``store`` the resources, ``names`` IDs, locations and name rules, ``providers`` one file for each resource
provider.
"""
