"""The endpoint at which a managed identity gets its tokens, as App Service has one for its apps.

``az login --identity`` finds it by IDENTITY_ENDPOINT and IDENTITY_HEADER. Source: Azure docs, "How to use managed
identities for App Service", REST endpoint reference.
"""

from __future__ import annotations

import secrets

from aiohttp import web

from local_azure.directory import CALLER, Directory

PATH = "/msi/token"


def handler(directory: Directory, header: str) -> web.Application:
    """The endpoint as an application of its own.

    Args:
        directory: makes the tokens.
        header: what callers have to send as X-IDENTITY-HEADER.
    """

    async def token(request: web.Request) -> web.Response:
        offered = request.headers.get("X-IDENTITY-HEADER", "")
        if not secrets.compare_digest(offered.encode(), header.encode()):
            return web.json_response({"statusCode": 401, "message": "Unauthorized"}, status=401)
        resource = request.query.get("resource")
        if not resource:
            return web.json_response({"statusCode": 400, "message": "No resource."}, status=400)
        return web.json_response(directory.token(resource, CALLER))

    application = web.Application()
    application.router.add_get(PATH, token)
    return application
