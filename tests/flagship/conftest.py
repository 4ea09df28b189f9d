"""The two systems of the business, behind HTTP on this machine only."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Business:
    """What the systems answer by path, and what they were asked; a missing path is a 404."""

    url: str = ""
    answers: dict[str, object] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def business() -> Iterator[Business]:
    business = Business()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            business.asked.append(self.path)
            known = self.path in business.answers
            body = json.dumps(business.answers.get(self.path, "no such day")).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        business.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield business
        server.shutdown()
        thread.join()
