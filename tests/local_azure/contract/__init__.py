"""The local Azure's ARM, held against recorded answers of the real one.

Rooms: ``wire`` the recordings and how an answer is held against one, ``azure`` a local Azure as a client sees it, the
rest the tests: one file for each resource provider, ``test_behaviours`` and ``test_long_running`` for what no single
answer shows, ``test_own_pace`` for what only Azure's own latency shows, ``test_whole`` for that nothing is forgotten.
"""
