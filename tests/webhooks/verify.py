"""Verifies a message by the library of the Standard Webhooks specification: reads secret, headers and body as JSON."""

import json
import sys

from standardwebhooks import Webhook

asked = json.load(sys.stdin)
print(json.dumps(Webhook(asked["secret"]).verify(asked["body"], asked["headers"])))
