"""What runs inside the image: an unchanged Azure ML entry script, served by an Azure Function.

This folder is copied to `/home/site/wwwroot/mlfunc_runtime` and stands alone there: the standard library and
azure-functions (with werkzeug, on which it depends) are all it needs, on Python 3.10 to 3.14. It imports
nothing else of the extension, and nothing of the extension imports it.

To follow a request: `http.py` or `event.py` (what the Functions worker calls) → `routes.py` (the HTTP paths)
→ `scoring.py` (run() and its answer), with `inputs.py` for the way from a request to arguments; `reply.py`
answers a test of a Service Bus trigger. `process.py`
is what happens once, when the worker loads the function: `settings.py`, `aliases.py`, `user_script.py`.
"""
