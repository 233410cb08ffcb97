"""Long lists, page by page.

Source: Azure/acr, docs/AAD-OAuth.md, "Pagination"; recorded, test_anon_access…test_list_repository_names_by_page.json.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote, urlencode

from local_azure.container_registry.answers import Refused

Item = TypeVar("Item")
PAGE = 100
"""How many a page has when the request does not say. Documented: az acr repository list, "--top"."""


def page(
    items: Sequence[Item], name: Callable[[Item], str], path: str, query: Mapping[str, str]
) -> tuple[Sequence[Item], dict[str, str]]:
    """The page that a request asks for.

    Args:
        items: all of them, in order.
        name: what ``last`` calls an item.
        path: of the request.
        query: ``n``, how many; ``last``, the last item of the page before; ``orderby`` is handed on.

    Returns:
        The page's items, and a header that names the next page, if there is one.

    Raises:
        Refused: ``n`` is no number (as distribution has it).
    """
    text = query.get("n", "")
    if text and not text.isdecimal():
        raise Refused(400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested", detail={"n": text})
    size = int(text) if text and int(text) else PAGE
    last = query.get("last", "")
    start = next((index + 1 for index, item in enumerate(items) if name(item) == last), None)
    if start is None:
        # It may have gone since; of a list by name it still says where to go on.
        start = next((index for index, item in enumerate(items) if name(item) > last), len(items)) if last else 0
    found = items[start : start + size]
    if start + size >= len(items):
        return found, {}
    following = urlencode({"last": name(found[-1]), "n": size, "orderby": query.get("orderby", "")})
    return found, {"Link": f'<{quote(path)}?{following}>; rel="next"'}
