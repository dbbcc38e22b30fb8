"""A real token endpoint: it checks who asks, and gives tokens that real receivers can ask it about."""

import base64
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote_plus

CLIENT_ID, CLIENT_SECRET = "the-client", "client-secret-of-theirs"


class TokenEndpoint:
    """Gives `TOKEN-1`, `TOKEN-2`, … to the client. The last is valid until it is revoked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.expires_in = 3600
        self.is_broken = False
        self.valid: str | None = None
        self._lock = threading.Lock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/token-path-of-theirs"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def credentials(self) -> dict[str, str]:
        """What an endpoint needs to be let in."""
        return {"kind": "oauth2", "token_url": self.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}

    def revoke(self) -> None:
        self.valid = None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, authorization: str, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        """Answer a request (RFC 6749, sections 4.4 and 5)."""
        with self._lock:
            self.asked.append(form)
            if self.is_broken:
                return 500, {"error_description": CLIENT_SECRET}
            scheme, _, pair = authorization.partition(" ")
            if scheme == "Basic":
                shown = tuple(unquote_plus(part) for part in base64.b64decode(pair).decode().split(":"))
            else:
                shown = (form.get("client_id", ""), form.get("client_secret", ""))
            if shown != (CLIENT_ID, CLIENT_SECRET):
                return 401, {"error": "invalid_client", "error_description": f"{shown}"}
            if form["grant_type"] != "client_credentials":
                return 400, {"error": "unsupported_grant_type"}
            self.valid = f"TOKEN-{len(self.asked)}-of-theirs"
            return 200, {"access_token": self.valid, "token_type": "bearer", "expires_in": self.expires_in}

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(text, strict_parsing=True).items()}
                status, answer = endpoint.answer(self.headers.get("Authorization", ""), form)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class Guarded:
    """A receiver that lets in who has a valid token, and says 401 to all others."""

    def __init__(self, issuer: TokenEndpoint) -> None:
        self.received: list[tuple[str, int]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                shown = self.headers.get("Authorization", "")
                status = 200 if issuer.valid and shown == f"Bearer {issuer.valid}" else 401
                receiver.received.append((shown, status))
                # As some do in their errors.
                body = json.dumps({"you sent": dict(self.headers)}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hooks"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def issuing() -> Iterator[tuple[TokenEndpoint, Guarded]]:
    """Run a token endpoint for a block, and a receiver that wants its tokens."""
    issuer = TokenEndpoint()
    receiver = Guarded(issuer)
    try:
        yield issuer, receiver
    finally:
        receiver.close()
        issuer.close()
