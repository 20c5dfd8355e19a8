"""A mail server that nobody here wrote (aiosmtpd), for tests/suite/program/mailed.rs.

It takes mails of the one user it knows and writes each into a file of the folder:

    serve.py FOLDER plain|starttls|smtps CERTIFICATE KEY

Its port is the one line that it prints. It ends when its standard input does.
"""

import pathlib
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

folder, mode, certificate, key = sys.argv[1:]


class Keeper:
    def __init__(self):
        self.kept = 0

    async def handle_DATA(self, server, session, envelope):
        encrypted = session.ssl or mode == "smtps"
        head = f"{'TLS' if encrypted else 'plain'} {envelope.mail_from} {' '.join(envelope.rcpt_tos)}\r\n"
        draft = pathlib.Path(folder, f"{self.kept}.draft")
        draft.write_bytes(head.encode() + envelope.original_content)
        draft.rename(draft.with_suffix(".mail"))
        self.kept += 1
        return "250 OK"


def known(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (b"me", b"hunter2 @")
    # What is not handled here is refused with 535.
    return AuthResult(success=right, handled=right)


tls = None
if mode != "plain":
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)


class Server(Controller):
    def _trigger_server(self):
        # The port that the system has chosen.
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


server = Server(
    Keeper(),
    hostname="127.0.0.1",
    port=0,
    ssl_context=tls if mode == "smtps" else None,
    tls_context=tls if mode == "starttls" else None,
    require_starttls=mode == "starttls",
    authenticator=known,
    auth_required=True,
    auth_require_tls=mode == "starttls",
)
server.start()
print(server.port, flush=True)
sys.stdin.read()
server.stop()
