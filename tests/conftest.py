"""What holds for all tests."""

from hypothesis import settings

# How long an example takes says nothing about the code: cores are shared.
settings.register_profile("datakit", deadline=None)
settings.load_profile("datakit")
