"""Has not imported threading (run it with -S: site may); announces where sys.modules lies."""

import json
import sys

assert "threading" not in sys.modules
print(json.dumps({"ready": True, "modules": id(sys.modules)}))
sys.stdout.flush()
sys.stdin.read()
