"""Each channel delivers to a real receiver, says why if it can't, and never says a secret."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import select
import shutil
import ssl
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from subprocess import run
from time import time_ns

import pytest
from receivers import hook

from partflow.project.settings import (
    AppriseChannel,
    CommandChannel,
    MailChannel,
    Notifying,
    WebhookChannel,
)
from partflow.report.notice import EpisodeReport, notice
from partflow.scheduler.channels.channel import Hiding
from partflow.scheduler.channels.opening import channels_of

# The mail server's own, with a Python that is newer than it.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:aiosmtpd")

AT = 1_700_000_000.0
HOUR = 3600
SECRET = "hunter2-very-secret"
EPISODE = EpisodeReport(
    "failed/clean/1", "opened", "failed", "clean", "2024-03-01T00:00:00Z", None, "no rows",
    "partflow logs last", 40, "2024-01-01", "2024-02-09", 120, 1,
)  # fmt: skip
MESSAGE = notice("0123abcd", AT, "shop on mill", [EPISODE])


@pytest.fixture
def receiver():
    with hook() as state:
        yield state


@pytest.fixture
def box():
    from mailserver import mailbox

    with mailbox() as state:
        yield state


@pytest.fixture
def encrypted(tmp_path, monkeypatch):
    """A mail server with a certificate that this process trusts, and takes no mail without it."""
    from mailserver import mailbox

    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext"
    words = [*words.split(), "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    run(words, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with mailbox(tls_context=context, require_starttls=True) as state:
        yield state, partial(monkeypatch.setenv, "SSL_CERT_FILE", str(certificate))


def channel(settings, root=".", **environment):
    return channels_of(Notifying(channels=(settings,)), root, {**os.environ, **environment})[
        settings.name
    ]


def seconds(n):
    return timedelta(seconds=n)


def sent(settings, root=".", now=AT, **environment):
    return channel(settings, root, **environment).send(MESSAGE, now)


def python(code, **other):
    return CommandChannel("pager", (sys.executable, "-c", code), **other)


# --- a command -----------------------------------------------------------------------------------


def test_a_command_gets_the_document_and_the_words(tmp_path):
    code = (
        "import os, sys; open('got', 'w').write(sys.stdin.read()); "
        "open('words', 'w').write(os.environ['NOTICE_SUBJECT'] + os.environ['NOTICE_TEXT'])"
    )
    assert sent(python(code), tmp_path) is None
    assert json.loads((tmp_path / "got").read_text())["id"] == MESSAGE.id
    assert (tmp_path / "words").read_text() == MESSAGE.subject + MESSAGE.text


def test_a_command_that_does_not_read_its_input_went(tmp_path):
    assert sent(CommandChannel("pager", ("true",)), tmp_path) is None


def test_a_command_that_fails_says_its_last_line_without_the_secrets_that_it_prints(tmp_path):
    code = "import os, sys; sys.exit('cannot reach ' + os.environ['HOOK_SECRET'] + ' here')"
    notifying = Notifying(
        channels=(python(code), WebhookChannel("hook", "http://x", "", "HOOK_SECRET"))
    )
    environment = {**os.environ, "HOOK_SECRET": SECRET}
    said = channels_of(notifying, tmp_path, environment)["pager"].send(MESSAGE, AT)
    assert said == f"{sys.executable} ended with 1: cannot reach *** here"


def test_a_command_that_is_not_there_is_said(tmp_path):
    assert "No such file" in sent(CommandChannel("pager", ("./no-such-command",)), tmp_path)
    assert sent(CommandChannel("pager", ("\0",)), tmp_path) is not None


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_began(tmp_path):
    words = ("sh", "-c", "sleep 60 & echo $! > pid; wait")
    said = sent(CommandChannel("pager", words, seconds(1)), tmp_path)
    assert said == "sh took longer than 1 s, and was ended"
    assert is_gone(int((tmp_path / "pid").read_text()))


def is_gone(pid):
    """Whether a process ends within 10 s."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 10)[0])
    finally:
        os.close(process)


def test_a_command_that_is_killed_says_the_signal(tmp_path):
    code = "import os; os.kill(os.getpid(), 9)"
    assert "was ended by signal 9" in sent(python(code), tmp_path)


# --- a webhook -----------------------------------------------------------------------------------


def test_a_webhook_gets_the_document_signed_over_time_and_body(receiver):
    settings = WebhookChannel("hook", receiver.url, secret_env="HOOK_SECRET")
    assert sent(settings, HOOK_SECRET=SECRET) is None
    ((path, headers, body),) = receiver.got
    assert (path, json.loads(body)["subject"]) == ("/in", MESSAGE.subject)
    stamp = headers["Partflow-Timestamp"]
    expected = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["Partflow-Signature"] == f"sha256={expected}"
    assert (stamp, headers["Idempotency-Key"]) == ("1700000000", MESSAGE.id)
    assert headers["Content-Type"] == "application/json"


def test_the_receiver_of_the_documents_knows_what_is_genuine(receiver):
    page = (Path(__file__).parents[2] / "docs/how-to/be-told.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(# receiver.py\n.*?)^```$", page, re.DOTALL | re.MULTILINE)
    scope: dict = {}
    exec(code, scope)
    is_genuine, now = scope["is_genuine"], time_ns() / 1e9
    settings = WebhookChannel("hook", receiver.url, secret_env="HOOK_SECRET")
    assert sent(settings, now=now, HOOK_SECRET=SECRET) is None
    assert sent(settings, now=now - HOUR, HOOK_SECRET=SECRET) is None
    (_, headers, body), (_, old, old_body) = receiver.got
    assert is_genuine(SECRET.encode(), headers, body)
    assert not is_genuine(b"another", headers, body)
    assert not is_genuine(SECRET.encode(), headers, body + b" ")
    assert not is_genuine(SECRET.encode(), {**old, "Partflow-Timestamp": f"{int(now)}"}, old_body)
    assert not is_genuine(SECRET.encode(), old, old_body)


def test_sent_once_more_a_message_has_its_key_and_another_signature(receiver):
    settings = WebhookChannel("hook", receiver.url, secret_env="HOOK_SECRET")
    for now in (AT, AT + 60):
        assert sent(settings, now=now, HOOK_SECRET=SECRET) is None
    first, second = (headers for _, headers, _ in receiver.got)
    assert first["Idempotency-Key"] == second["Idempotency-Key"]
    assert first["Partflow-Signature"] != second["Partflow-Signature"]


def test_an_address_in_the_environment_is_used_and_never_said(receiver):
    settings = WebhookChannel("hook", url_env="HOOK_URL")
    assert sent(settings, HOOK_URL=f"{receiver.url}/{SECRET}") is None
    assert receiver.got[0][0] == f"/in/{SECRET}"
    assert "Partflow-Signature" not in receiver.got[0][1]
    receiver.code = 404
    assert sent(settings, HOOK_URL=f"{receiver.url}/{SECRET}") == "the address answered 404"
    for url in (f"http://127.0.0.1:1/{SECRET}", f"ftp://x/{SECRET}", f"http://[{SECRET}", SECRET):
        said = sent(settings, HOOK_URL=url)
        assert said is not None
        assert SECRET not in said


def test_a_redirect_is_not_followed(receiver):
    with hook() as elsewhere:
        for code in (301, 302, 303, 307, 308):
            receiver.code, receiver.headers = code, {"Location": elsewhere.url}
            said = sent(WebhookChannel("hook", receiver.url))
            assert said.startswith(f"the address answered {code}: a redirect")
        assert elsewhere.got == []


def test_a_webhook_that_does_not_answer_is_left_after_its_limit(receiver):
    receiver.held.clear()
    said = sent(WebhookChannel("hook", receiver.url, timeout=seconds(0.2)))
    assert said == "the address cannot be reached: it took too long"


def test_a_variable_that_is_not_set_is_named():
    assert sent(WebhookChannel("hook", url_env="NOT_SET")) == "the environment's NOT_SET is not set"
    settings = MailChannel("mail", "h", "a@b.org", ("a@b.org",), 25, user="me", password_env="NONE")
    assert sent(settings) == "the environment's NONE is not set"


# --- mail ----------------------------------------------------------------------------------------


def mail(box, **other):
    return MailChannel(
        "mail", "127.0.0.1", "partflow@example.org", ("a@example.org", "b@example.org"), box.port,
        security=other.pop("security", "none"), **other,
    )  # fmt: skip


def test_a_mail_has_the_words_the_document_and_a_lasting_id(box):
    assert sent(mail(box)) is None
    assert sent(mail(box), now=AT + 60) is None
    first, second = box.got
    assert first["Subject"] == MESSAGE.subject
    assert first["To"] == "a@example.org, b@example.org"
    assert first["Message-ID"] == second["Message-ID"] == "<0123abcd@example.org>"
    assert first["Date"] == second["Date"]
    text, attached = first.iter_parts()
    assert text.get_content().splitlines() == MESSAGE.text.splitlines()
    assert json.loads(attached.get_content())["id"] == MESSAGE.id


def test_a_mail_server_is_given_the_password(box):
    assert sent(mail(box, user="me", password_env="PW"), PW="right") is None
    assert set(box.logins) == {(b"me", b"right")}


def test_a_wrong_password_is_not_said_even_if_the_server_says_it(box):
    said = sent(mail(box, user="me", password_env="PW"), PW=SECRET)
    assert said.startswith(f"127.0.0.1:{box.port} refused the message: 535")
    assert SECRET not in said
    assert box.got == []


def test_a_server_that_refuses_is_quoted(box):
    box.refusal = "554 no thanks"
    assert sent(mail(box)) == f"127.0.0.1:{box.port} refused the message: 554 no thanks"


def test_nothing_goes_in_the_clear_to_a_server_without_encryption(box):
    said = sent(mail(box, security="starttls", user="me", password_env="PW"), PW="right")
    assert "does not offer" in said
    assert (box.got, box.logins) == ([], [])


def test_mail_goes_encrypted_to_a_server_whose_certificate_is_trusted(encrypted):
    server, trust = encrypted
    settings = mail(server, security="starttls", user="me", password_env="PW")
    said = sent(settings, PW="right")
    assert "certificate" in said
    assert (server.got, server.logins) == ([], [])
    trust()
    assert sent(settings, PW="right") is None
    assert len(server.got) == 1


def test_a_mail_server_that_is_not_there_is_said(box):
    said = sent(MailChannel("mail", "127.0.0.1", "a@b.org", ("a@b.org",), 1, security="none"))
    assert said == "127.0.0.1:1 cannot be reached: Connection refused"
    said = sent(mail(box, security="ssl", timeout=seconds(5)))
    assert "cannot be reached" in said


# --- apprise -------------------------------------------------------------------------------------

warns_of_old_python = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")


@warns_of_old_python
def test_apprise_delivers_to_a_service_that_it_knows(receiver):
    pytest.importorskip("apprise", reason="the extra notify is not installed")
    url = f"json://127.0.0.1:{receiver.port}/in"
    assert sent(AppriseChannel("chat", "CHAT_URL"), CHAT_URL=url) is None
    ((_, _, body),) = receiver.got
    assert MESSAGE.subject in json.loads(body)["title"]


@warns_of_old_python
def test_what_apprise_could_not_deliver_is_said_without_its_address(receiver, capfd):
    pytest.importorskip("apprise", reason="the extra notify is not installed")
    receiver.code = 500
    url = f"json://127.0.0.1:{receiver.port}/{SECRET}"
    assert sent(AppriseChannel("chat", "CHAT_URL"), CHAT_URL=url) == "apprise could not deliver it"
    said = sent(AppriseChannel("chat", "CHAT_URL"), CHAT_URL=SECRET)
    assert said == "CHAT_URL holds no address that apprise knows"
    out, err = capfd.readouterr()
    assert SECRET not in out + err


def test_apprise_is_imported_only_by_a_channel_that_sends(tmp_path):
    code = (
        "import sys; from pathlib import Path; "
        "from partflow.project.settings import AppriseChannel, Notifying; "
        "from partflow.scheduler.channels.opening import channels_of; "
        "import partflow.scheduler.telling; "
        "channels_of(Notifying(channels=(AppriseChannel('chat', 'X'),)), Path(), {}); "
        "sys.exit('apprise' in sys.modules)"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 0


# --- secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"a{SECRET}b",
        f"https://user:{SECRET}@example.org/in",
        "no /tokens/very-long-path here",
        "query=abcdefgh",
    ],
)
def test_nothing_of_a_secret_or_of_a_secret_address_is_left_in_a_text(text):
    url = f"https://user:{SECRET}@example.org/tokens/very-long-path?key=abcdefgh"
    hiding = Hiding({"KEY": SECRET, "URL": url})
    said = hiding.without(text)
    assert [s for s in (SECRET, "tokens", "very-long-path", "abcdefgh") if s in said] == []
