"""Runs LocalStack on the loopback interface, and on nothing else.

LocalStack's server parses the host in GATEWAY_LISTEN and then ignores it: it
listens on every interface. Its other server, hypercorn, obeys, but is slower
and makes the fault below common. So this gives the first one its address.

Known fault of LocalStack 4.7.0: its locks are by key and version. In a bucket
with versioning, If-None-Match lets several of many simultaneous writers win,
rarely with small bodies and often with large ones. MiniStack lets one win: what
depends on it is to be proved there.
"""

import functools

from localstack.runtime.main import main
from twisted.internet import endpoints

endpoints.TCP4ServerEndpoint = functools.partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")

if __name__ == "__main__":
    main()
