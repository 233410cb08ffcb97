"""`az ml-func test`: an event in, the prediction out, or the reason why not.

`target` finds the app and what it is called by; each trigger has a `Prober` (`http`, `blob`, `service_bus`) that sends
an event and waits for its own answer; `single` and `batch` run one event or a folder of them; `compare` holds an answer
against what was expected; `diagnose` finds out why none came; `report` writes the page about a batch.
"""
