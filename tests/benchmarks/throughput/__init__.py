"""Requests a second, and CPU time of a request, of datakit and of its peers."""
