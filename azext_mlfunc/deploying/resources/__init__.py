"""The kinds of resources that deploy knows: one file each."""
