"""Microsoft.Web: plans, function apps, and what is passed on to an app's own host; one file for each kind."""

from __future__ import annotations

from local_azure.arm.operation import Provider
from local_azure.arm.providers.web import config, host, plans, sites, stacks

PROVIDER = Provider(
    "Microsoft.Web",
    (*plans.OPERATIONS, *sites.OPERATIONS, *config.OPERATIONS, *host.OPERATIONS, *stacks.OPERATIONS),
    removed={sites.TYPE: sites.removed},
    resume=sites.resume,
)
