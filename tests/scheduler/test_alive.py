"""The address that is called after good ticks, and what a service manager is told."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from partflow.scheduler.alive import EVERY, Alive
from partflow.scheduler.systemd import Supervisor


@contextmanager
def listening(code: int) -> Iterator[tuple[str, list[str]]]:
    """A server that answers with a code, and the paths that it was asked for."""
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(code)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/ping", asked
        finally:
            server.shutdown()
            thread.join()


def test_the_address_is_called_at_most_once_a_minute() -> None:
    with listening(200) as (address, asked):
        alive = Alive(address)
        for now in (0.0, EVERY / 2, EVERY, EVERY + 1):
            alive.is_well(now)
            if alive._thread is not None:
                alive._thread.join()

        assert asked == ["/ping", "/ping"]


def test_an_answer_that_is_not_of_http_is_nobody_s_matter() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        alive = Alive(f"http://127.0.0.1:{server.getsockname()[1]}/")
        alive.is_well(0.0)
        speaking, _ = server.accept()
        with speaking:
            speaking.recv(4096)
            speaking.sendall(b"it is well\r\n\r\n")
        assert alive._thread is not None
        alive._thread.join()  # what it raises fails this test


@pytest.mark.parametrize("code", [302, 404, 500])
def test_an_answer_that_is_no_good_is_nobody_s_matter_and_no_redirect_is_followed(
    code: int,
) -> None:
    with listening(code) as (address, asked):
        alive = Alive(address)
        alive.is_well(0.0)
        assert alive._thread is not None
        alive._thread.join()

        assert asked == ["/ping"]


def test_without_an_address_nothing_is_called() -> None:
    alive = Alive("")
    alive.is_well(0.0)

    assert alive._thread is None


def test_a_service_manager_hears_that_serve_is_ready_goes_on_and_ends(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        supervisor = Supervisor(
            {
                "NOTIFY_SOCKET": str(address),
                "WATCHDOG_USEC": "30000000",
                "WATCHDOG_PID": f"{os.getpid()}",
            }
        )
        supervisor.ready()
        supervisor.well("leads")
        supervisor.stopping()
        heard = [manager.recv(100).decode() for _ in range(3)]

    assert heard == ["READY=1", "WATCHDOG=1\nSTATUS=leads", "STOPPING=1"]
    assert supervisor.patience == 10.0


def test_without_a_service_manager_nothing_is_said(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}, {"WATCHDOG_USEC": "1"}):
        supervisor = Supervisor(environment)
        supervisor.ready()
        supervisor.well("leads")

        assert supervisor.patience == float("inf")
