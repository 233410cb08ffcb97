"""Stand-ins for Azure's services on this machine, for `az ml-func test --local`: nothing of them is in an image."""
