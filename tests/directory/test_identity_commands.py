"""The command line: who may do what without logging in, and what a ticket gives."""

import json
import stat

import pytest
from django.core.management import call_command

from anzhang import clock as anzhang_clock
from anzhang.directory import identity, links, tickets
from anzhang.directory.credentials import CliTicket, IdentityRequest
from anzhang.directory.models import User
from anzhang.events import Event
from anzhang.journal.models import Entry
from anzhang.permissions import Actor, RefusedError, Via, system


@pytest.fixture(autouse=True)
def _own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def logged_in(acting, username):
    ticket, secret = tickets.open_ticket(tickets.place(), anzhang_clock.now())
    tickets.confirm(acting(username), ticket.code, anzhang_clock.now())
    return tickets.keep(secret)


def test_it_lets_the_operating_system_user_do_the_listed_verbs_only(bureau):
    actor = identity.cli_actor("import")
    assert actor.id.startswith("os:")
    assert "@" in actor.id
    for verb in ("", "user", "route"):
        with pytest.raises(RefusedError) as refusal:
            identity.cli_actor(verb)
        assert refusal.value.code == "login_needed"


def test_it_acts_for_the_user_of_a_confirmed_ticket_without_second_factor(bureau, acting, clock):
    path = logged_in(acting, "guolei")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    actor = identity.cli_actor("user")
    assert (actor.id, actor.via, actor.second_factor) == ("user:guolei", Via.CLI, False)
    assert not CliTicket.objects.filter(digest__contains=path.read_text()).exists()
    clock.advance(hours=8)
    with pytest.raises(RefusedError):
        identity.cli_actor("user")


def test_it_ends_a_ticket_with_its_user_and_by_hand(bureau, acting, clock):
    logged_in(acting, "liming")
    identity.deactivate(acting("guolei"), bureau.user["liming"], "离岗", clock.now)
    with pytest.raises(RefusedError):
        identity.cli_actor("user")
    logged_in(acting, "guolei")
    assert tickets.end()
    assert not tickets.end()
    with pytest.raises(RefusedError):
        identity.cli_actor("user")


def test_it_refuses_to_confirm_without_the_second_factor_or_too_late(bureau, acting, clock):
    ticket, _secret = tickets.open_ticket("x", clock.now)
    with pytest.raises(RefusedError):
        tickets.confirm(tickets.actor_of_user(bureau.user["guolei"], Via.BROWSER), ticket.code, clock.now)
    with pytest.raises(RefusedError):
        tickets.confirm(tickets.actor_of_user(bureau.user["guolei"], Via.CLI, second_factor=True), ticket.code, clock.now)
    clock.advance(minutes=10)
    with pytest.raises(RefusedError):
        tickets.confirm(acting("guolei"), ticket.code, clock.now)


def test_it_waits_for_the_browser_and_gives_up(bureau, monkeypatch, capsys):
    from anzhang.management.commands import login

    monkeypatch.setattr(login, "POLL_SECONDS", 0.01)
    with pytest.raises(SystemExit) as left:
        call_command("login", wait=0)
    assert left.value.code == 1
    assert not CliTicket.objects.exists()


def test_it_logs_in_when_the_code_is_confirmed_while_it_waits(bureau, acting, clock, monkeypatch, capsys):
    from anzhang.management.commands import login

    def confirmed_meanwhile(_seconds):
        tickets.confirm(acting("guolei"), CliTicket.objects.get().code, clock.now)

    monkeypatch.setattr(login.time, "sleep", confirmed_meanwhile)
    call_command("login")
    assert "已登录：guolei" in capsys.readouterr().out
    assert identity.cli_actor("user").id == "user:guolei"


def test_it_lists_users_as_json(bureau, capsys):
    call_command("user", "list", as_json=True)
    rows = {row["username"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mali"]["administrator"] == "security_admin"
    assert rows["sunli"]["unit"] == "JYC"


def test_it_starts_a_user_as_the_system_administrator_only(bureau, acting, capsys):
    logged_in(acting, "guolei")
    call_command("user", "create", "tangxin", person="P023", reason="新到岗")
    assert IdentityRequest.objects.get().started_by == bureau.user["guolei"]
    logged_in(acting, "mali")
    with pytest.raises(SystemExit) as left:
        call_command("user", "create", "zhangsan", person="P021", reason="x")
    assert left.value.code == 1
    assert "not_permitted" in capsys.readouterr().err
    assert not User.objects.filter(username="zhangsan").exists()


@pytest.mark.parametrize(
    ("words", "options"),
    [(["create", "x"], {"person": "P999"}), (["create", "x"], {"person": "P023"}), (["create"], {}), (["link", "nobody"], {})],
)
def test_it_exits_2_on_bad_input(bureau, words, options, capsys):
    with pytest.raises(SystemExit) as left:
        call_command("user", *words, **options)
    assert left.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_it_unlocks_as_the_operating_system_user_and_says_so_in_the_ledger(bureau, client, capsys):
    for _each in range(5):
        client.post("/account/login/", {"login": "sunli", "password": "wrong"})
    call_command("user", "unlock", "sunli")
    entry = Entry.objects.get(act=Event.USER_UNLOCK)
    assert entry.actor.startswith("os:")
    assert entry.via == Via.CLI
    call_command("user", "unlock", "sunli")
    assert "was not locked" in capsys.readouterr().out
    assert Entry.objects.filter(act=Event.USER_UNLOCK).count() == 1


def test_it_reissues_the_link_of_an_administrator_who_never_came_in(db, clock, capsys):
    identity.create_administrators(system("init"), clock.now)
    clock.advance(hours=1)
    call_command("user", "link", "secadmin")
    address = capsys.readouterr().out.strip()
    assert links.find(address.rsplit("/", 2)[1], clock.now).user.username == "secadmin"
    user = User.objects.get(username="secadmin")
    user.password_changed_at = clock.now
    user.save()
    with pytest.raises(RefusedError):
        identity.reissue_link(Actor(id="os:root@x", via=Via.CLI), user, clock.now)
