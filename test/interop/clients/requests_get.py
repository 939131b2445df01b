"""Python's requests through the proxy of the environment, credentials in its URL."""
import sys

import requests

response = requests.get(sys.argv[1], timeout=30)
sys.stdout.write("%d %s %s" % (response.status_code, response.reason, response.text))
