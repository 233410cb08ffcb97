"""An Azure on this machine, for the demo and the tests; a tool of this repository, not part of the wheel.

Rooms: ``functions_host`` runs a function app with Microsoft's Python worker; ``azurite`` starts the storage emulator;
``service_bus`` is a small Service Bus; ``app_environment`` makes an app's virtual environment; ``app`` runs what
``az ml-func package`` wrote, with all of these around it.
"""
