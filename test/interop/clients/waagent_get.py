"""The Azure Linux agent's own http_get through the proxy of the environment, one try, its error as its log has it."""
import sys

import azurelinuxagent.common.utils.restutil as restutil
from azurelinuxagent.common.version import AGENT_VERSION

url = sys.argv[1]
sys.stderr.write("agent %s\n" % AGENT_VERSION)
# The agent tries a refused plain GET 25 times, a second apart: take the answer as it came instead.
raw = url.startswith("http://")
response = restutil.http_get(url, use_proxy=True, max_retry=1, return_raw_response=raw)
sys.stdout.write("%d %s %s" % (response.status, response.reason, response.read().decode()))
