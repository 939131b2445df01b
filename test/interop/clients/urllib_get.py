"""Python's urllib through the proxy of the environment: CONNECT in HTTP/1.0 without a single field."""
import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=30) as response:
    sys.stdout.write("%d %s" % (response.status, response.read().decode()))
