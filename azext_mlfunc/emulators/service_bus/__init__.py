"""A small Service Bus: queues over AMQP 1.0 with peek-lock, dead-lettering, deferral and scheduling; also over HTTP.

Rooms: ``amqp`` the type system, ``message`` and ``entity`` what is stored and how it moves, ``broker`` the queues and
the keys, ``connection`` AMQP and ``http`` HTTP, ``management`` the request/response operations, ``rest`` the
operations over HTTP, ``rest_message`` what a message looks like there, ``server`` start and stop.
Not there: topics, sessions, transactions, expiry of messages, and administration over HTTP.
"""

from __future__ import annotations

from azext_mlfunc.emulators.service_bus.server import ServiceBus

__all__ = ["ServiceBus"]
