"""An unmodified az against the local Azure: what a user types, and what comes of it.

Rooms: ``cloud`` a local Azure as a shell sees it, ``parts`` what tests need in it before they begin, ``conftest`` the
fixtures; the tests of the commands of this extension that need an Azure belong here, too.
"""
