"""`az ml-func deploy`, part by part; what it does to an Azure as a whole is in `tests/az`."""
