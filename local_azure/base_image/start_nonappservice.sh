#!/bin/sh
# The image's command, under the real image's name: our host in place of the .NET host, with the real worker.
exec /usr/bin/python -I /azure-functions-host/host/local_azure/functions_host/container.py \
    --worker-path "/azure-functions-host/workers/python/$FUNCTIONS_WORKER_RUNTIME_VERSION/LINUX/X64"
