"""`az ml-func deploy`: the image's function app and everything around it.

`blueprint` says which resources a request needs, as data; `plan` reads what is there and compares; `apply` writes what
differs, in parallel; `readiness` waits until the function really answers. `resources` has one file for each kind.
"""
