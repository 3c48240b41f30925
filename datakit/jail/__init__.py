"""Python that nobody has read, run where it can do nothing."""

from datakit.jail.jail import Jail, Ran, jail_missing, open_jail

__all__ = ["Jail", "Ran", "jail_missing", "open_jail"]
