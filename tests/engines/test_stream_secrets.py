"""What streams say of statements and command lines holds no secret, whatever its shape; everything else stays."""

import pyarrow as pa
import pytest

from anzhang.engines.vault.streams import secrets

HIDDEN = [
    ("create role li login password 'Geheim1'", "create role li login password ***"),
    ("ALTER USER li WITH PASSWORD 'it''s a \\' secret' VALID UNTIL 'x'", "ALTER USER li WITH PASSWORD *** VALID UNTIL 'x'"),
    ("set password for li@localhost = password('Other2!')", "set password for li@localhost = password(***)"),
    ("create user a identified by 'S1', b identified by \"S2\"", "create user a identified by ***, b identified by ***"),
    ("create user a identified with mysql_native_password by 'S1'", "create user a identified with mysql_native_password by ***"),
    ("grant all on *.* to a identified by password '*ABC'", "grant all on *.* to a identified by password ***"),
    ("create server s options (user 'u', password 'S1')", "create server s options (user 'u', password ***)"),
    ("alter role li password 'cut off her", "alter role li password ***"),
    ("select dblink('host=db user=u password=S1 port=1')", "select dblink('host=db user=u password=*** port=1')"),
    ("/usr/bin/pg_dump --dbname=postgresql://u:S1@db/si", "/usr/bin/pg_dump --dbname=postgresql://u:***@db/si"),
    ("mysqldump -u root -pS1 si", "mysqldump -u root -p*** si"),
    ("/usr/bin/mysql --password=S1 -e x", "/usr/bin/mysql --password=*** -e x"),
    ("sshpass -p S1 ssh a@b", "sshpass -p *** ssh a@b"),
    ("curl -s -u li:S1 https://x/", "curl -s -u li:*** https://x/"),
    ("PGPASSWORD=S1 psql -h db", "PGPASSWORD=*** psql -h db"),
    ("app --api-token S1 --token 'S 2' run", "app --api-token S1 --token *** run"),
    ('call({"client_secret": "S1", "n": 1})', 'call({"client_secret": ***, "n": 1})'),
]
STAYS = [
    "select password_changed_at from users where name = 'li'",
    "/usr/bin/passwd liming",
    "mkdir -p /srv/a",
    "ssh -p 22 a@b",
    "update token_table set n = 1",
    "select prstoken::oid from pg_ts_parser",
    "select * from pass where x = 'password'",
    "https://example.com/a:b@c",
    "查询 口令 策略",
]


@pytest.mark.parametrize(("written", "shown"), HIDDEN)
def test_a_secret_is_left_out(written, shown):
    assert secrets.without_secrets(written) == shown
    assert secrets.hidden(pa.array([None, "select 1", written])).to_pylist() == [None, "select 1", shown]


@pytest.mark.parametrize("written", STAYS)
def test_other_words_stay(written):
    assert secrets.without_secrets(written) == written
    column = pa.array([written, None]).dictionary_encode()
    assert secrets.hidden(column).to_pylist() == [written, None]


PIECES = (
    "password '", "identified ", "a-", "passwordpassword", "mysql ", "curl x ", "://a", "--", "'", "identified with x by ", "password  ",
)  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_no_text_takes_long(piece):
    """A quarter of a megabyte of anything is read in a moment; what runs over a stretch twice would outlast every patience."""
    assert secrets.without_secrets(piece * (262_144 // len(piece)))
