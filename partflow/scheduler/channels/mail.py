"""Tells people by mail. The same message has the same Message-ID if it is sent once more.

Knows nothing of who reads it. It goes in the clear only if the configuration says so: where the
server offers no encryption that was asked for, nothing is sent.
"""

from __future__ import annotations

import json
import smtplib
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from partflow.project.settings import MailChannel
from partflow.report.document import document
from partflow.report.notice import NoticeReport
from partflow.scheduler.channels.channel import Hiding


@dataclass(frozen=True, slots=True)
class ByMail:
    """A server and addresses, as `settings` say."""

    settings: MailChannel
    hiding: Hiding

    @property
    def name(self) -> str:
        """What it is called in the configuration."""
        return self.settings.name

    @property
    def timeout(self) -> float:
        """How many seconds a message may take."""
        return self.settings.timeout.total_seconds()

    def send(self, notice: NoticeReport, now: float) -> str | None:  # noqa: ARG002 - of the protocol
        """Why a message did not go; None if the server took it for at least one address."""
        if missing := self.hiding.missing():
            return missing
        host = f"{self.settings.host}:{self.settings.port}"
        try:
            with self._server() as server:
                if self.settings.security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if self.settings.user:
                    password = self.hiding.values[self.settings.password_env]
                    server.login(self.settings.user, password)
                server.send_message(mail_of(notice, self.settings.sender, self.settings.to))
        except smtplib.SMTPRecipientsRefused as error:
            refused = "; ".join(
                f"{code} {_spoken(text)}" for code, text in error.recipients.values()
            )
            return self.hiding.without(f"{host} refused every address: {refused}")
        except smtplib.SMTPResponseException as error:
            said = f"{error.smtp_code} {_spoken(error.smtp_error)}"
            return self.hiding.without(f"{host} refused the message: {said}")
        except smtplib.SMTPNotSupportedError:
            return f"{host} does not offer what the configuration asks for: starttls, or a password"
        except (OSError, ValueError) as error:
            return self.hiding.without(f"{host} cannot be reached: {_reason(error)}")
        return None

    def _server(self) -> smtplib.SMTP:
        host, port, timeout = self.settings.host, self.settings.port, self.timeout
        if self.settings.security == "ssl":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)
        return smtplib.SMTP(host, port, timeout=timeout)


def mail_of(notice: NoticeReport, sender: str, to: tuple[str, ...]) -> EmailMessage:
    """A message as a mail, with its document beside its text."""
    mail = EmailMessage()
    mail["Subject"] = notice.subject
    mail["From"], mail["To"] = sender, ", ".join(to)
    mail["Message-ID"] = f"<{notice.id}@{sender.rpartition('@')[2]}>"
    mail["Date"] = format_datetime(datetime.fromisoformat(notice.at))
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(notice.text)
    mail.add_attachment(
        json.dumps(document(notice)).encode(), maintype="application", subtype="json",
        filename="notice.json",
    )  # fmt: skip
    return mail


def _spoken(text: bytes | str) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else text


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, ssl.SSLError):
        return f"its certificate or its encryption is not accepted ({error.reason or 'unknown'})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
