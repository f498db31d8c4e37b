"""The configuration for FreeRADIUS 3.2 that asks us for every verdict and quarantines by itself when we cannot answer.

What it holds to (docs/OPERATIONS.md says how to run it):

1. Every Access-Accept, of EAP and of MAC authentication alike, gets its VLAN in the outer `post-auth`: nothing depends on what an inner
   tunnel carries out.
2. The verdict is asked for with a timeout of `TIMEOUT` seconds. No answer within it, no connection, or any other status than 200: the last
   verdict stands where the zone's recorded fail mode kept it (a cache entry with the time limit that the verdict itself named), else the
   quarantine VLAN. Never anything else.
3. After a failure nobody asks for `PAUSE` seconds (circuit breaker): a hung service costs some threads one timeout a second, not every
   request one.
4. The connection pool opens nothing at start, so FreeRADIUS starts while we are down.
5. Every accept is written to a detail file with address, VLAN and why; the collector tails it as a log source, and Art. 15 is judged by it.
6. Requests without a valid Message-Authenticator are dropped (CVE-2024-3596).

`clients.conf`, `accounts` and `eap-accounts.conf` are the operator's: they are written once and then left alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anzhang.home import Home, HomeError
from anzhang.operate import listen
from anzhang.operate.initialize import write_private
from anzhang.operate.listen import Listen

TIMEOUT, CONNECT, PAUSE = 0.3, 0.2, 1
THREADS = 64
DEFAULT = "127.0.0.1:8610"
KEEP = ("clients.conf", "accounts")
MAC = "[^0-9a-f]?".join(["([0-9a-f]{2})"] * 6)  # however a switch writes it


def place(home: Home) -> Listen | None:
    """Return where verdicts are given, None where admission is not set up.

    Raises HomeError when they would leave the machine unencrypted.
    """
    if not home.get("admission", "bind", ""):
        return None
    found = listen.parse(home, "admission", "bind", DEFAULT)
    certificate, key = home.get("admission", "certificate", ""), home.get("admission", "key", "")
    if bool(certificate) != bool(key):
        msg = f"{home.settings_file}: admission.certificate and admission.key go together"
        raise HomeError(msg)
    if not found.is_loopback and not certificate:
        msg = f'{home.settings_file}: admission.bind = "{found}" is not loopback; set admission.certificate and admission.key first'
        raise HomeError(msg)
    return found


def token(home: Home) -> str:
    """Return the token that FreeRADIUS shows, made at first use (0600)."""
    file = home.keys / "admission.token"
    if not file.is_file():
        write_private(file, secrets.token_urlsafe(32).encode("ascii"))
    return file.read_text(encoding="ascii").strip()


@dataclass(frozen=True)
class Eap:
    """The certificate that EAP shows, its key, and the authority for those of endpoints."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class Radius:
    """What a configuration is made from."""

    folder: Path
    service: str  # https://host:port of the verdicts
    token: str
    quarantine: int
    listen: str = "*"
    port: int = 1812
    eap: Eap | None = None
    authority: Path | None = None  # of the service's own certificate
    user: str = ""

    def files(self) -> Mapping[str, str]:
        """Return the files by name; those in `KEEP` are the operator's once they stand."""
        found = {
            "radiusd.conf": RADIUSD.format(
                folder=self.folder, threads=THREADS, user=f"\tuser = {self.user}\n\tgroup = {self.user}\n" if self.user else ""
            ),
            "dictionary": "# Attributes of the bureau's own, if any.\n",
            "modules.conf": MODULES.format(
                service=self.service,
                timeout=TIMEOUT,
                connect=CONNECT,
                pause=PAUSE,
                threads=THREADS,
                folder=self.folder,
                tls=f'\ttls {{\n\t\tca_file = "{self.authority}"\n\t}}\n' if self.authority else "",
            ),
            "policy.conf": POLICY.format(token=self.token, quarantine=self.quarantine, mac=MAC),
            "site.conf": SITE.format(
                listen=self.listen,
                port=self.port,
                eap_authorize=EAP_AUTHORIZE if self.eap else "",
                eap_authenticate="\t\teap\n" if self.eap else "",
            ),
            "clients.conf": CLIENTS.format(secret=secrets.token_urlsafe(24)),
            "accounts": ACCOUNTS,
        }
        if self.eap:
            found["eap.conf"] = EAP.format(certificate=self.eap.certificate, key=self.eap.key, authority=self.eap.authority)
            found["inner.conf"] = INNER
        return found

    def write(self) -> list[str]:
        """Write the folder (0700, files 0600); return the names of the files written."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "log").mkdir(mode=0o700, exist_ok=True)
        written = []
        for name, text in self.files().items():
            file = self.folder / name
            if name in KEEP and file.exists():
                continue
            file.unlink(missing_ok=True)
            write_private(file, text.encode())
            written.append(name)
        return written


RADIUSD = """\
# Written by `anzhang radius config`; a new run replaces it. Start with: freeradius -d {folder}
name = anzhang
prefix = /usr
localstatedir = {folder}
raddbdir = {folder}
logdir = {folder}/log
run_dir = {folder}
pidfile = {folder}/radiusd.pid
max_request_time = 5
cleanup_delay = 5
max_requests = 65536
hostname_lookups = no
proxy_requests = no

log {{
	destination = files
	file = ${{logdir}}/radius.log
	auth = no
}}

security {{
{user}	max_attributes = 200
	reject_delay = 0
	status_server = no
}}

thread pool {{
	start_servers = 8
	max_servers = {threads}
	min_spare_servers = 4
	max_spare_servers = {threads}
	max_requests_per_server = 0
	max_queue_size = 65536
}}

$INCLUDE clients.conf

modules {{
	$INCLUDE modules.conf
	$-INCLUDE eap.conf
}}

instantiate {{
	expr
}}

policy {{
	$INCLUDE policy.conf
}}

$-INCLUDE inner.conf
$INCLUDE site.conf
"""

MODULES = """\
# Verdicts. Both timeouts together stay well under a second; the pool opens nothing at start.
rest anzhang_rest {{
	connect_uri = "{service}"
	connect_timeout = {connect}
{tls}	post-auth {{
		uri = "${{..connect_uri}}/admission?mac=%{{Calling-Station-Id}}&method=%{{control:Tmp-String-1}}"
		method = 'get'
		timeout = {timeout}
	}}
	pool {{
		start = 0
		min = 0
		max = {threads}
		spare = 8
		uses = 0
		retry_delay = {pause}
		lifetime = 0
		idle_timeout = 60
		connect_timeout = {connect}
	}}
}}

# The last verdict on an address, for as long as the verdict itself allowed; one that may not stand says 0 and is gone in a second.
cache anzhang_last {{
	driver = "rlm_cache_rbtree"
	key = "%{{Calling-Station-Id}}/%{{control:Tmp-String-1}}"
	ttl = 1
	max_entries = 1000000
	update {{
		&reply:Tunnel-Type := &reply:Tunnel-Type
		&reply:Tunnel-Medium-Type := &reply:Tunnel-Medium-Type
		&reply:Tunnel-Private-Group-Id := &reply:Tunnel-Private-Group-Id
		&control:Tmp-Integer-1 := &control:Tmp-Integer-1
	}}
}}

# Whether the service failed within the last moment.
cache anzhang_down {{
	driver = "rlm_cache_rbtree"
	key = "down"
	ttl = {pause}
	update {{
		&control:Tmp-Integer-0 := 1
	}}
}}

detail anzhang_detail {{
	filename = {folder}/log/admission.detail
	permissions = 0640
	header = "%t"
	log_packet_header = yes
}}

files accounts {{
	filename = ${{raddbdir}}/accounts
	key = "%{{%{{Stripped-User-Name}}:-%{{User-Name}}}}"
}}

pap {{
	normalise = yes
}}

mschap {{
	use_mppe = yes
	require_encryption = yes
	require_strong = yes
}}

always ok {{
	rcode = ok
}}

expr {{
}}
"""

POLICY = """\
# Addresses as our registers have them.
anzhang_address {{
	if (&Calling-Station-Id && ("%{{Calling-Station-Id}}" =~ /^{mac}$/i)) {{
		update request {{
			&Calling-Station-Id := "%{{tolower:%{{1}}:%{{2}}:%{{3}}:%{{4}}:%{{5}}:%{{6}}}}"
		}}
	}}
	else {{
		update request {{
			&Calling-Station-Id := "none"
		}}
	}}
}}

# A switch that authenticates an address gives it as name.
anzhang_mac_auth {{
	if (!&EAP-Message && ("%{{User-Name}}" =~ /^{mac}$/i)) {{
		if ("%{{tolower:%{{1}}:%{{2}}:%{{3}}:%{{4}}:%{{5}}:%{{6}}}}" == "%{{Calling-Station-Id}}") {{
			update control {{
				&Auth-Type := Accept
			}}
		}}
	}}
}}

# The verdict, or what stands in for it.
anzhang_admission {{
	if (&EAP-Message) {{
		update control {{
			&Tmp-String-1 := "eap"
		}}
	}}
	else {{
		update control {{
			&Tmp-String-1 := "mac"
		}}
	}}
	update reply {{
		&Tunnel-Type !* ANY
		&Tunnel-Medium-Type !* ANY
		&Tunnel-Private-Group-Id !* ANY
	}}
	update control {{
		&Cache-Status-Only := yes
	}}
	anzhang_down {{
		fail = 1
		notfound = 1
	}}
	if (ok) {{
		anzhang_fallback
	}}
	else {{
		update control {{
			&REST-HTTP-Header += "Authorization: Bearer {token}"
		}}
		anzhang_rest {{
			fail = 1
			invalid = 1
			reject = 1
			notfound = 1
			userlock = 1
			noop = 1
			updated = 2
		}}
		if (updated && &reply:Tunnel-Private-Group-Id) {{
			anzhang_last {{
				fail = 1
				noop = 1
				notfound = 1
			}}
		}}
		else {{
			anzhang_down {{
				fail = 1
			}}
			anzhang_fallback
		}}
	}}
	# What is written down is told by the reply; what a reply may not carry is taken out again.
	update reply {{
		&Calling-Station-Id := &request:Calling-Station-Id
		&User-Name := &request:User-Name
		&NAS-IP-Address := &request:NAS-IP-Address
		&NAS-Identifier := &request:NAS-Identifier
		&NAS-Port := &request:NAS-Port
		&Module-Failure-Message := "%{{control:Tmp-String-0}}"
	}}
	anzhang_detail {{
		fail = 1
	}}
	update reply {{
		&Calling-Station-Id !* ANY
		&User-Name !* ANY
		&NAS-IP-Address !* ANY
		&NAS-Identifier !* ANY
		&NAS-Port !* ANY
		&Module-Failure-Message !* ANY
		&REST-HTTP-Status-Code !* ANY
		&Message-Authenticator := 0x00
	}}
	ok
}}

anzhang_fallback {{
	update reply {{
		&Tunnel-Type !* ANY
		&Tunnel-Medium-Type !* ANY
		&Tunnel-Private-Group-Id !* ANY
	}}
	update control {{
		&Cache-Read-Only := yes
		&Cache-TTL !* ANY
		&Tmp-Integer-1 !* ANY
	}}
	anzhang_last {{
		fail = 1
		notfound = 1
		noop = 1
	}}
	if (&control:Tmp-Integer-1 && (&control:Tmp-Integer-1 > 0) && &reply:Tunnel-Private-Group-Id) {{
		update control {{
			&Tmp-String-0 := "last_verdict"
		}}
	}}
	else {{
		update reply {{
			&Tunnel-Type := VLAN
			&Tunnel-Medium-Type := IEEE-802
			&Tunnel-Private-Group-Id := "{quarantine}"
		}}
		update control {{
			&Tmp-String-0 := "no_verdict"
		}}
	}}
	update reply {{
		&Session-Timeout := 60
		&Termination-Action := RADIUS-Request
	}}
}}
"""

SITE = """\
server anzhang {{
	listen {{
		type = auth
		ipaddr = {listen}
		port = {port}
	}}

	authorize {{
		anzhang_address
		anzhang_mac_auth
		if (&control:Auth-Type == Accept) {{
			ok
		}}
		else {{
{eap_authorize}			accounts
			pap
		}}
	}}

	authenticate {{
		Auth-Type PAP {{
			pap
		}}
{eap_authenticate}	}}

	post-auth {{
		anzhang_admission
		Post-Auth-Type REJECT {{
			ok
		}}
	}}
}}
"""

EAP_AUTHORIZE = """\
			eap {
				ok = return
			}
"""

INNER = """\
server anzhang-inner {
	authorize {
		mschap
		eap {
			ok = return
		}
		accounts
		pap
	}

	authenticate {
		Auth-Type PAP {
			pap
		}
		Auth-Type MS-CHAP {
			mschap
		}
		eap
	}

	post-auth {
	}
}
"""

EAP = """\
eap {{
	default_eap_type = peap
	timer_expire = 60
	ignore_unknown_eap_types = no
	max_sessions = 65536

	tls-config tls-common {{
		private_key_file = "{key}"
		certificate_file = "{certificate}"
		ca_file = "{authority}"
		cipher_list = "HIGH:!aNULL:!MD5:!RC4"
		tls_min_version = "1.2"
		tls_max_version = "1.2"
		ecdh_curve = ""
	}}

	tls {{
		tls = tls-common
	}}

	ttls {{
		tls = tls-common
		default_eap_type = mschapv2
		copy_request_to_tunnel = no
		use_tunneled_reply = no
		virtual_server = "anzhang-inner"
	}}

	peap {{
		tls = tls-common
		default_eap_type = mschapv2
		copy_request_to_tunnel = no
		use_tunneled_reply = no
		virtual_server = "anzhang-inner"
	}}

	mschapv2 {{
	}}
}}
"""

CLIENTS = """\
# Switches and access points: one each, with a secret of its own. This file is yours; a new run leaves it alone.
client localhost {{
	ipaddr = 127.0.0.1
	secret = {secret}
	require_message_authenticator = yes
	nas_type = other
}}
"""

ACCOUNTS = """\
# People who log in by PEAP or TTLS, or rather your directory's module in its place. This file is yours; a new run leaves it alone.
# liming	Cleartext-Password := "..."
"""
