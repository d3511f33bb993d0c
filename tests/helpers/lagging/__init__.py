"""A gateway that lags behind its venue, as the public one does: for tests of what the driver makes of it.

Its orders never move after they were sent, its positions are never netted, its times are local and its
errors have lost their class. The truth is at the venue, under the venue's own ids.
"""

from .application import lagging_app
from .gateway import LaggingGateway

__all__ = ["LaggingGateway", "lagging_app"]
