"""A real mail server on loopback that keeps what it gets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


@dataclass
class Mailbox:
    """What a mail server took; it refuses with `refusal` if that is set."""

    port: int = 0
    refusal: str = ""
    got: list[Message] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - as the library
        if self.refusal:
            return self.refusal
        self.got.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"

    def login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        self.logins.append((data.login, data.password))
        if data.password == b"right":
            return AuthResult(success=True)
        text = f"535 no such password {data.password.decode()}"
        return AuthResult(success=False, handled=False, message=text)


class OwnPort(Controller):
    """A controller on a port that the system chooses."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mailbox(**options: Any) -> Iterator[Mailbox]:
    """A mail server; without encryption unless the options bring a certificate."""
    box = Mailbox()
    controller = OwnPort(
        box, hostname="127.0.0.1", port=0, authenticator=box.login, auth_require_tls=False,
        **options,
    )  # fmt: skip
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()
