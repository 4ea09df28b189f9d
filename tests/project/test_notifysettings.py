"""The table of the configuration that says how people are told, and what is wrong in it."""

from __future__ import annotations

import tomllib
from datetime import timedelta

import pytest

from partflow.errors import ConfigurationError
from partflow.project.config import read_config
from partflow.project.notifysettings import notifying_of
from partflow.project.settings import (
    AppriseChannel,
    CommandChannel,
    MailChannel,
    WebhookChannel,
)

SECRET = "hunter2-very-secret"
WHOLE = """
[notify]
tell_after = "5m"
heals_after = "1h"
[notify.pager]
kind = "command"
command = ["./page.sh", "now"]
timeout = "5s"
[notify.hook]
kind = "webhook"
url = "https://example.org/in"
secret_env = "HOOK_SECRET"
[notify.mail]
kind = "smtp"
host = "mail.example.org"
user = "me"
password_env = "MAIL_PASSWORD"
from = "partflow@example.org"
to = ["a@example.org", "b@example.org"]
[notify.chat]
kind = "apprise"
url_env = "CHAT_URL"
"""


def read(text, environment=None, tmp_path=None):
    (tmp_path / "partflow.toml").write_text(text)
    return read_config(tmp_path, environment or {}, {}).notify


def test_every_kind_of_channel_can_be_configured(tmp_path):
    notifying = read(WHOLE, tmp_path=tmp_path)
    assert (notifying.tell_after, notifying.heals_after) == (
        timedelta(minutes=5),
        timedelta(hours=1),
    )
    assert notifying.channels == (
        CommandChannel("pager", ("./page.sh", "now"), timedelta(seconds=5)),
        WebhookChannel("hook", "https://example.org/in", secret_env="HOOK_SECRET"),
        MailChannel(
            "mail", "mail.example.org", "partflow@example.org", ("a@example.org", "b@example.org"),
            587, user="me", password_env="MAIL_PASSWORD",
        ),
        AppriseChannel("chat", "CHAT_URL"),
    )  # fmt: skip


def test_a_variable_that_holds_a_secret_may_begin_as_settings_do(tmp_path):
    text = WHOLE.replace("HOOK_SECRET", "PARTFLOW_HOOK_SECRET")
    assert read(text, {"PARTFLOW_HOOK_SECRET": SECRET}, tmp_path=tmp_path)
    with pytest.raises(ConfigurationError) as raised:
        read("", {"PARTFLOW_HOOK_SECRET": SECRET}, tmp_path=tmp_path)
    assert SECRET not in str(raised.value)


MAIL = '[notify.ops]\nkind = "smtp"\nhost = "h"\nfrom = "a@b.org"\nto = ["a@b.org"]\n'
WRONG = [
    ('notify = "x"', "is no table"),
    ('[notify]\ntell_afer = "5m"', "did you mean 'tell_after'"),
    ("[notify]\ntell_after = 5", "a span of time"),
    ('[notify.Ops]\nkind = "command"', "no name of a channel"),
    ('[notify.ops]\ncommand = ["x"]', "kind is missing; choose apprise, command, smtp, webhook"),
    ('[notify.ops]\nkind = "mail"', "kind is 'mail'; choose"),
    ('[notify.ops]\nkind = ["x"]', "choose"),
    ('[notify.ops]\nkind = "command"', "command is missing"),
    ('[notify.ops]\nkind = "command"\ncommand = "x"', "a list of texts"),
    ('[notify.ops]\nkind = "command"\ncommand = ["x"]\nurl = "y"', "'url' is no setting"),
    ('[notify.ops]\nkind = "command"\ncommand = ["x"]\ntimeout = "1h"', "at most 10m"),
    ('[notify.ops]\nkind = "webhook"', "either url or url_env"),
    ('[notify.ops]\nkind = "webhook"\nurl = "file:///etc/passwd"', "begins with https://"),
    ('[notify.ops]\nkind = "webhook"\nurl = "https://[::1"', "is no address"),
    ('[notify.ops]\nkind = "webhook"\nurl = "https://a:b@c.org/"', "holds a password"),
    (f'[notify.ops]\nkind = "webhook"\nsecret = "{SECRET}"', "name that with secret_env"),
    (f'[notify.ops]\nkind = "webhook"\nsecret_env = "{SECRET}"', "not the secret itself"),
    (f'[notify.ops]\nkind = "apprise"\nurl = "{SECRET}"', "name that with url_env"),
    ('[notify.ops]\nkind = "smtp"\nhost = "h"\nfrom = "me"\nto = ["a@b.org"]', "write an address"),
    ('[notify.ops]\nkind = "smtp"\nhost = "h"\nto = ["a@b.org"]', "from is missing"),
    (f'{MAIL}user = "me"', "both user and password_env"),
    (f'{MAIL}user = "me"\npassword_env = "P"\nsecurity = "none"', "in the clear"),
    (f"{MAIL}port = 0", "from 1 to 65535"),
    (f"{MAIL}security = ['none']", "choose starttls, ssl, none"),
    (f'{MAIL}password = "{SECRET}"', "name that with password_env"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_wrong_is_named_and_no_secret_is_said(text, said, tmp_path):
    with pytest.raises(ConfigurationError) as raised:
        notifying_of("notify", tomllib.loads(text)["notify"])
    assert said in str(raised.value)
    assert SECRET not in str(raised.value)
