"""The worker process: Microsoft's ``azure_functions_runtime_v1``, driven without gRPC.

It runs in the *app's* environment (Python >= 3.13) and therefore imports only the standard library and the runtime.
"""
