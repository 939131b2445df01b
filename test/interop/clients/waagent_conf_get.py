"""The Azure Linux agent's own http_get through the proxy of its configuration file, with nothing in the environment."""
import runpy
import sys

import azurelinuxagent.common.conf as conf

conf.load_conf_from_file(sys.argv[2])
sys.argv = sys.argv[:2]
runpy.run_path(sys.argv[0].replace("waagent_conf_get", "waagent_get"))
