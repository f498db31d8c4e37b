"""Raw lines of every kind of source a bureau has, each with what it says: for trying the parsers at the size of a real month.

Every line is made from a few drawn facts, and the same facts give the events that must come of it (`truth`), so the two never share a
parser. The same seed gives the same lines. Lines of one kind come in order of time; a kind is one log source, as in a bureau.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from anzhang import clock

Truth = dict[str, Any]
Made = tuple[list[str], list[tuple[str, Truth]]]
USERS = ("liming", "wangfang", "luona", "zhanghua", "tangxin", "王芳", "svc_backup", "o'neil")
HOSTS = ("sbapp01", "sbdb01", "jyapp01", "web01")
NAMES = ("www.tj.gov.cn", "mirror.hrss.local", "ntp.hrss.local", "update.example.com", "si.hrss.local")
TABLES = ("public.person", "public.payment", "si.contract", "si.card")
FUNCTIONS = ("参保查询", "待遇核定", "就业登记", "劳动合同备案", "社保卡补换")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Record:
    """Lines that belong together and the events they are: (stream, columns that must hold exactly so). `at` is the event's instant."""

    kind: str
    at: datetime
    lines: tuple[str, ...]
    truth: tuple[tuple[str, Truth], ...] = field(default_factory=tuple)


class Dice(random.Random):
    """A seeded source of facts."""

    def address(self) -> str:
        """Return an inner address."""
        return f"10.{self.randint(0, 30)}.{self.randint(0, 255)}.{self.randint(1, 254)}"

    def port(self) -> int:
        """Return a client's port."""
        return self.randint(1024, 65535)

    def mac(self) -> str:
        """Return a hardware address."""
        return ":".join(f"{self.randint(0, 255):02x}" for _ in range(6))

    def user(self) -> str:
        """Return an account."""
        return self.choice(USERS)


def records(begin: datetime, days: float, count: int, seed: int = 20261124) -> Iterator[Record]:
    """Yield `count` records spread evenly over the days after `begin`, of all kinds in turn by their weight."""
    dice = Dice(seed)
    kinds = [name for name, (weight, _make) in KINDS.items() for _ in range(weight)]
    step = timedelta(days=days) / count
    for number in range(count):
        kind = kinds[dice.randrange(len(kinds))]
        at = begin + step * number
        lines, truth = KINDS[kind][1](dice, at.replace(microsecond=at.microsecond // 1000 * 1000))
        yield Record(kind, at, tuple(lines), tuple(truth))


def _bsd(at: datetime) -> str:
    local = at.astimezone(clock.BEIJING)
    return f"{MONTHS[local.month - 1]} {local.day:>2} {local:%H:%M:%S}"


def _syslog(at: datetime, host: str, tag: str, text: str, pri: int = 38) -> str:
    return f"<{pri}>{_bsd(at)} {host} {tag}: {text}"


def _second(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def sshd(dice: Dice, at: datetime) -> Made:
    """OpenSSH, the three kinds of line that matter and one that does not."""
    user, ip, port, pid, host = dice.user(), dice.address(), dice.port(), dice.randint(300, 60000), dice.choice(HOSTS)
    tag = f"{dice.choice(('sshd', 'sshd-session'))}[{pid}]"
    common: Truth = {"timestamp": _second(at), "host_name": host, "user_name": user, "process_pid": pid}
    met = common | {"source_ip": ip, "source_port": port}
    event: Truth
    match dice.randrange(4):
        case 0:
            text, event = f"Accepted publickey for {user} from {ip} port {port} ssh2: ED25519 SHA256:{dice.randbytes(8).hex()}", {
                "event_action": "logged-in", "event_outcome": "success", "method": "publickey",
            }  # fmt: skip
        case 1:
            text, event = (
                f"Failed password for invalid user {user} from {ip} port {port} ssh2",
                {"event_outcome": "failure", "method": "password"},
            )
        case 2:
            text, event = f"message repeated 3 times: [ Failed password for {user} from {ip} port {port} ssh2]", {
                "event_outcome": "failure", "repeated": 3,
            }  # fmt: skip
        case _:
            return [_syslog(at, host, tag, f"Connection closed by {ip} port {port} [preauth]")], []
    return [_syslog(at, host, tag, text)], [("auth_event", met | event)]


def sudo(dice: Dice, at: datetime) -> Made:
    """Sudo, run and refused."""
    user, host = dice.user(), dice.choice(HOSTS)
    command = dice.choice(("/usr/bin/systemctl restart sbhx", "/usr/bin/tail -f /var/log/messages", "/bin/sh -c 'a ; b=c'"))
    refused = dice.random() < 0.2
    why = "user NOT in sudoers ; " if refused else ""
    text = f"{user:>8} : {why}TTY=pts/{dice.randint(0, 9)} ; PWD=/home/{user} ; USER=root ; COMMAND={command}"
    outcome = "failure" if refused else "success"
    truth = {"user_name": user, "target_user": "root", "command": command, "event_outcome": outcome, "host_name": host}
    return [_syslog(at, host, "sudo", text, 86)], [("auth_event", truth)]


def cron(dice: Dice, at: datetime) -> Made:
    """Cron jobs and sessions."""
    host, pid = dice.choice(HOSTS), dice.randint(300, 60000)
    if dice.random() < 0.5:
        command = f"cd / && run-parts --report /etc/cron.{dice.choice(('hourly', 'daily'))}"
        truth = {"user_name": "root", "command_line": command, "event_action": "started", "process_pid": pid}
        return [_syslog(at, host, f"CRON[{pid}]", f"(root) CMD ({command})", 78)], [("process_event", truth)]
    text = "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"
    return [_syslog(at, host, f"CRON[{pid}]", text, 86)], [
        ("auth_event", {"user_name": "root", "event_action": "session-opened", "service": "cron"})
    ]


def auditd(dice: Dice, at: datetime) -> Made:
    """Audit events of one and of four records, names plain and in hexadecimal, raw and enriched."""
    number, pid, user = dice.randint(1, 10**6), dice.randint(300, 60000), dice.user()
    stamp = f"{at.timestamp():.3f}:{number}"
    if dice.random() < 0.5:
        ip = dice.address()
        account = f'"{user}"' if user.isascii() else user.encode().hex().upper()
        good = dice.random() < 0.7
        line = (
            f'type=USER_LOGIN msg=audit({stamp}): pid={pid} uid=0 auid=1001 ses=7 msg=\'op=login acct={account} exe="/usr/sbin/sshd" '
            f"hostname={ip} addr={ip} terminal=ssh res={'success' if good else 'failed'}'"
        )
        truth = {"timestamp": at, "user_name": user, "source_ip": ip, "process_pid": pid, "event_outcome": "success" if good else "failure"}
        return [line], [("auth_event", truth | {"event_action": "logged-in"})]
    path = f"/srv/业务 {number}/a.jar" if dice.random() < 0.5 else f"/etc/app{number}.conf"
    name = f'"{path}"' if path.isascii() and " " not in path else path.encode().hex().upper()
    rest = f'ses=7 comm="rm" exe="/usr/bin/rm" key="release"\x1dARCH=x86_64 SYSCALL=unlink AUID="{user}" UID="root"'
    lines = [
        f"type=SYSCALL msg=audit({stamp}): arch=c000003e syscall=87 success=yes exit=0 items=2 ppid=1 pid={pid} auid=1001 uid=0 {rest}",
        f'type=CWD msg=audit({stamp}): cwd="/root"',
        f'type=PATH msg=audit({stamp}): item=0 name="/etc" nametype=PARENT',
        f"type=PATH msg=audit({stamp}): item=1 name={name} nametype=DELETE",
    ]
    truth = {"timestamp": at, "user_name": user, "path": path, "process_pid": pid, "event_action": "deleted", "executable": "/usr/bin/rm"}
    return lines, [("file_event", truth | {"rule": "release", "event_outcome": "success"})]


def nginx(dice: Dice, at: datetime) -> Made:
    """Make combined access lines, as a file has them."""
    ip, status, size = dice.address(), dice.choice((200, 200, 200, 304, 404, 500)), dice.randint(0, 99999)
    person = dice.randint(1, 10**7)
    local = at.astimezone(clock.BEIJING)
    stamp = f"{local.day:02d}/{MONTHS[local.month - 1]}/{local:%Y:%H:%M:%S} +0800"
    line = f'{ip} - - [{stamp}] "GET /api/person/{person}?q=%E7%8E%8B HTTP/1.1" {status} {size} "-" "Mozilla/5.0 (\\x22X\\x22)"'
    truth = {
        "timestamp": _second(at), "source_ip": ip, "method": "GET", "url": f"/api/person/{person}?q=%E7%8E%8B", "status": status,
        "bytes_out": size, "user_agent": 'Mozilla/5.0 ("X")', "event_outcome": "success" if status < 400 else "failure",
    }  # fmt: skip
    return [line], [("api_event", truth)]


def exchange(dice: Dice, at: datetime) -> Made:
    """Make the exchange interfaces' access log, JSON."""
    client, interface, took = f"C{dice.randint(1, 40):03d}", f"IF-{dice.randint(1, 30):03d}", dice.randint(1, 5000)
    ip, status, size, key = dice.address(), dice.choice((200, 200, 403, 500)), dice.randint(20, 10**6), dice.randbytes(8).hex()
    told = {
        "@timestamp": at.astimezone(clock.BEIJING).isoformat(timespec="milliseconds"), "remote_addr": ip, "client_id": client,
        "interface": interface, "request_method": "POST", "request_uri": f"/exchange/{interface}", "status": status,
        "body_bytes_sent": size, "request_time": took / 1000, "request_id": key,
    }  # fmt: skip
    truth = {
        "timestamp": at, "source_ip": ip, "client": client, "interface": interface, "status": status, "bytes_out": size,
        "duration_ms": took, "request_id": key, "method": "POST",
    }  # fmt: skip
    return [json.dumps(told)], [("api_event", truth)]


def squid(dice: Dice, at: datetime) -> Made:
    """Squid's native log."""
    ip, user, size, took, site = (
        dice.address(),
        dice.choice(("-", "liming", "luona")),
        dice.randint(100, 10**6),
        dice.randint(1, 9999),
        dice.choice(NAMES),
    )
    denied = dice.random() < 0.2
    code, status, peer = ("TCP_DENIED", 403, "HIER_NONE/-") if denied else ("TCP_TUNNEL", 200, "HIER_DIRECT/203.0.113.9")
    line = f"{at.timestamp():.3f} {took:6d} {ip} {code}/{status} {size} CONNECT {site}:443 {user} {peer} -"
    truth = {
        "timestamp": at, "source_ip": ip, "user_name": None if user == "-" else user, "bytes_in": size, "duration_ms": took,
        "application": site, "destination_port": 443, "destination_ip": None if denied else "203.0.113.9", "status": status,
        "event_outcome": "failure" if denied else "success",
    }  # fmt: skip
    return [line], [("flow_event", truth)]


def bind(dice: Dice, at: datetime) -> Made:
    """BIND's query log."""
    ip, port, name, kind = dice.address(), dice.port(), dice.choice(NAMES), dice.choice(("A", "AAAA", "PTR", "MX"))
    local = at.astimezone(clock.BEIJING)
    stamp = f"{local.day:02d}-{MONTHS[local.month - 1]}-{local:%Y %H:%M:%S}.{at.microsecond // 1000:03d}"
    line = f"{stamp} client @0x7f{dice.randint(0, 1 << 32):08x} {ip}#{port} ({name}): query: {name} IN {kind} +E(0)K (10.0.0.53)"
    truth = {"timestamp": at, "source_ip": ip, "source_port": port, "question_name": name, "question_type": kind, "server_ip": "10.0.0.53"}
    return [line], [("dns_event", truth)]


def dhcp(dice: Dice, at: datetime) -> Made:
    """ISC dhcpd through syslog, and Kea's file form."""
    ip, mac = dice.address(), dice.mac()
    if dice.random() < 0.5:
        line = _syslog(at, "dhcp01", "dhcpd[77]", f"DHCPACK on {ip} to {mac} (pc-{mac[-2:]}) via eth0", 30)
        return [line], [("sighting_event", {"source_ip": ip, "source_mac": mac, "device_name": f"pc-{mac[-2:]}", "interface": "eth0"})]
    stamp = f"{at.astimezone(clock.BEIJING):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
    said = f"[hwtype=1 {mac}], cid=[no info], tid=0x1: lease {ip} has been allocated for 3600 seconds"
    line = f"{stamp} INFO  [kea-dhcp4.leases/9.1] DHCP4_LEASE_ALLOC {said}"
    return [line], [
        ("sighting_event", {"timestamp": at, "source_ip": ip, "source_mac": mac, "lease_seconds": 3600, "event_action": "leased"})
    ]


def radius(dice: Dice, at: datetime) -> Made:
    """FreeRADIUS, accept and reject."""
    user, mac, port, number = dice.choice(USERS[:5]), dice.mac(), dice.randint(1, 48), dice.randint(0, 9999)
    local = at.astimezone(clock.BEIJING)
    stamp = f"{local:%a} {MONTHS[local.month - 1]} {local.day:>2} {local:%H:%M:%S %Y}"
    good = dice.random() < 0.8
    verdict = "Login OK" if good else "Login incorrect (mschap: MS-CHAP2-Response is incorrect)"
    station = mac.upper().replace(":", "-")
    line = f"{stamp} : Auth: ({number}) {verdict}: [{user}@hrss] (from client sw{port % 9} port {port} cli {station})"
    truth = {
        "timestamp": _second(at), "user_name": user, "user_domain": "hrss", "source_mac": mac, "nas_name": f"sw{port % 9}",
        "nas_port": str(port), "event_outcome": "success" if good else "failure",
    }  # fmt: skip
    return [line], [("admission_event", truth)]


def accounting(dice: Dice, at: datetime) -> Made:
    """FreeRADIUS detail records: many lines each."""
    user, mac, ip, key, size = dice.choice(USERS[:5]), dice.mac(), dice.address(), dice.randbytes(4).hex().upper(), dice.randint(1, 10**9)
    local = at.astimezone(clock.BEIJING)
    lines = [
        f"{local:%a} {MONTHS[local.month - 1]} {local.day:>2} {local:%H:%M:%S %Y}",
        f'\tUser-Name = "{user}"', "\tNAS-IP-Address = 10.0.0.2", f'\tCalling-Station-Id = "{mac.upper().replace(":", "-")}"',
        "\tAcct-Status-Type = Stop", f'\tAcct-Session-Id = "{key}"', f"\tFramed-IP-Address = {ip}", f"\tAcct-Input-Octets = {size}", "",
    ]  # fmt: skip
    truth = {
        "timestamp": _second(at), "user_name": user, "source_mac": mac, "assigned_ip": ip, "session_id": key, "bytes_in": size,
        "nas_ip": "10.0.0.2", "event_action": "accounting-stop",
    }  # fmt: skip
    return lines, [("admission_event", truth)]


def postgresql(dice: Dice, at: datetime) -> Made:
    """Csvlog with pgaudit, statements over several lines, and failed log-ins."""
    user, ip, port, pid, table = dice.choice(USERS[:4]), dice.address(), dice.port(), dice.randint(300, 60000), dice.choice(TABLES)
    local = at.astimezone(clock.BEIJING)
    stamp = f"{local:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} CST"
    key = f"{dice.randint(0, 1 << 32):08x}.{pid:x}"
    if dice.random() < 0.15:
        row = f'{stamp},"{user}","sidb",{pid},"{ip}:{port}",{key},1,"authentication",{stamp},3/1,0,FATAL,28P01,"password authentication failed for user ""{user}""",,,,,,,,,"","client backend",,0'  # noqa: E501
        truth = {
            "timestamp": at,
            "user_name": user,
            "source_ip": ip,
            "source_port": port,
            "event_outcome": "failure",
            "service": "postgresql",
        }
        return [row], [("auth_event", truth)]
    write = dice.random() < 0.4
    verb, kind = ("UPDATE", "WRITE") if write else ("SELECT", "READ")
    first = f"update {table} set note = 'a, \"b\"'" if write else f'select "name" from {table}'  # noqa: S608  # a line of a log, run by nobody
    statement = f"{first}\nwhere id = {pid}"
    inner = '"' + statement.replace('"', '""') + '"'
    message = f"AUDIT: SESSION,{port},1,{kind},{verb},TABLE,{table},{inner},<not logged>".replace('"', '""')
    head = f'{stamp},"{user}","sidb",{pid},"{ip}:{port}",{key},1,"{verb}",{stamp},3/1,0,LOG,00000'
    row = f'{head},"{message}",,,,,,,,,"psql","client backend",,0'
    truth = {
        "timestamp": at, "user_name": user, "source_ip": ip, "source_port": port, "database_name": "sidb", "statement_class": kind,
        "command": verb, "object_name": table, "statement": statement, "session_id": key, "process_pid": pid,
    }  # fmt: skip
    return row.split("\n"), [("db_event", truth)]


def mariadb(dice: Dice, at: datetime) -> Made:
    """server_audit, quotes escaped."""
    user, ip, number, table = dice.choice(USERS[:4]), dice.address(), dice.randint(1, 10**6), dice.choice(TABLES)
    stamp = f"{at.astimezone(clock.BEIJING):%Y%m%d %H:%M:%S}"
    if dice.random() < 0.2:
        code = dice.choice((0, 1045))
        line = f"{stamp},sbdb01,{user},{ip},{number},0,{'FAILED_CONNECT' if code else 'CONNECT'},si,,{code}"
        truth: Truth = {"user_name": user, "source_ip": ip, "event_action": "logged-in", "event_outcome": "failure" if code else "success"}
        return [line], [("auth_event", truth | {"timestamp": _second(at)})]
    statement = f"select * from {table} where name = 'a, \\b' and id in ({number}, 2)"  # noqa: S608  # a line of a log, run by nobody
    written = statement.replace("\\", "\\\\").replace("'", "\\'")
    line = f"{stamp},sbdb01,{user},{ip},{number},{number + 1},QUERY,si,'{written}',0"
    truth = {
        "timestamp": _second(at), "host_name": "sbdb01", "user_name": user, "source_ip": ip, "database_name": "si", "statement": statement,
        "command": "SELECT", "session_id": str(number), "event_outcome": "success",
    }  # fmt: skip
    return [line], [("db_event", truth)]


def huawei(dice: Dice, at: datetime) -> Made:
    """One firewall whose time stamps, separators and names vary."""
    source, target, port, wanted = dice.address(), dice.address(), dice.port(), dice.choice((22, 80, 443, 3389))
    local = at.astimezone(clock.BEIJING)
    stamp = dice.choice((f"{MONTHS[local.month - 1]} {local.day:>2} {local:%Y %H:%M:%S}", f"{local:%Y-%m-%d %H:%M:%S}", _bsd(at)))
    deny = dice.random() < 0.5
    brief, comma = ("POLICYDENY" if deny else "POLICYPERMIT"), dice.choice((", ", ",", "; ", ";"))
    pairs = ("protocol=6", f"source-ip={source}", f"source-port={port}", f"destination-ip={target}", f"destination-port={wanted}")
    if dice.random() < 0.4:
        pairs = ("Protocol=TCP", f"SourceIP={source}", f"SourcePort={port}", f"DestinationIP={target}", f"DestinationPort={wanted}")
    told = comma.join(("vsys=public", *pairs, "policy-name=办公 到 服务器."))
    line = f"<190>{stamp} USG6500 %%01SEC/4/{brief}(l)[{dice.randint(1, 999)}]:{told}"
    truth = {
        "timestamp": _second(at), "host_name": "USG6500", "source_ip": source, "destination_ip": target, "source_port": port,
        "destination_port": wanted, "protocol": "tcp", "rule": "办公 到 服务器", "event_action": "denied" if deny else "allowed",
    }  # fmt: skip
    return [line], [("flow_event", truth)]


def h3c(dice: Dice, at: datetime) -> Made:
    """H3C's zone filter and log-ins."""
    source, target, port = dice.address(), dice.address(), dice.port()
    local = at.astimezone(clock.BEIJING)
    head = f"<190>{_bsd(at)} {local:%Y} F1000 %%10"
    if dice.random() < 0.2:
        truth = {"user_name": "admin", "source_ip": source, "event_action": "logged-in", "host_name": "F1000", "timestamp": _second(at)}
        return [f"{head}SHELL/5/SHELL_LOGIN: -DevIP=10.0.0.3; admin logged in from {source}."], [("auth_event", truth)]
    deny = dice.random() < 0.5
    word = "Deny" if deny else "Permit"
    line = (
        f"{head}FILTER/6/FILTER_ZONE_IPV4_EXECUTION: -DevIP=10.0.0.3; SrcZoneName(1025)=Trust;DstZoneName(1035)=Untrust;Type(1067)=ACL;"
        f"RuleID(1078)=5;Protocol(1001)=UDP;SrcIPAddr(1003)={source};SrcPort(1004)={port};DstIPAddr(1007)={target};DstPort(1008)=53;"
        f"MatchCount(1069)=1;Event(1048)={word};Action(1053)={word};"
    )
    truth = {
        "timestamp": _second(at), "source_ip": source, "destination_ip": target, "source_port": port, "destination_port": 53,
        "protocol": "udp", "event_action": "denied" if deny else "allowed", "source_zone": "Trust",
    }  # fmt: skip
    return [line], [("flow_event", truth)]


def windows(dice: Dice, at: datetime) -> Made:
    """Security events as winlogbeat and NXLog write them."""
    user, ip, port = dice.choice(USERS[:6]), dice.address(), dice.port()
    bad = dice.random() < 0.3
    event, outcome = ("4625", "failure") if bad else ("4624", "success")
    told = {"TargetUserName": user, "TargetDomainName": "HRSS", "IpAddress": f"::ffff:{ip}", "IpPort": str(port), "LogonType": "3"}
    provider = "Microsoft-Windows-Security-Auditing"
    if dice.random() < 0.5:
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        shape: Truth = {
            "@timestamp": stamp,
            "winlog": {"event_id": event, "provider_name": provider, "computer_name": "DC1", "event_data": told},
        }
    else:
        shape = {
            "EventTime": at.astimezone(clock.BEIJING).isoformat(),
            "Hostname": "DC1",
            "EventID": int(event),
            "SourceName": provider,
        } | told
    truth = {
        "timestamp": at, "host_name": "DC1", "user_name": user, "user_domain": "HRSS", "source_ip": ip, "source_port": port,
        "logon_type": "network", "event_action": "logged-in", "event_outcome": outcome,
    }  # fmt: skip
    return [json.dumps(shape, ensure_ascii=False)], [("auth_event", truth)]


def usb(dice: Dice, at: datetime) -> Made:
    """Make a stick that comes."""
    host, vendor, product, bus = (
        dice.choice(HOSTS),
        f"{dice.randint(0, 65535):04x}",
        f"{dice.randint(0, 65535):04x}",
        f"1-{dice.randint(1, 9)}",
    )
    text = f"[{dice.randint(1, 99999)}.123456] usb {bus}: New USB device found, idVendor={vendor}, idProduct={product}, bcdDevice= 1.00"
    truth = {"host_name": host, "vendor_id": vendor, "product_id": product, "device_path": bus, "event_action": "attached"}
    return [_syslog(at, host, "kernel", text, 6)], [("peripheral_event", truth)]


def clamav(dice: Dice, at: datetime) -> Made:
    """Make finds and clean files."""
    path = f"/srv/上传/{dice.randint(1, 10**6)} a.zip"
    if dice.random() < 0.3:
        truth = {"path": path, "rule": "Eicar-Signature", "event_action": "malware-found"}
        return [_syslog(at, "av01", "clamd[9]", f"{path}: Eicar-Signature FOUND", 22)], [("file_event", truth)]
    return [_syslog(at, "av01", "clamd[9]", f"{path}: OK", 22)], [("file_event", {"path": path, "event_action": "scanned"})]


def backups(dice: Dice, at: datetime) -> Made:
    """Restic's summaries and pg_dump's failures."""
    snapshot, size, files = dice.randbytes(4).hex(), dice.randint(1, 10**12), dice.randint(1, 10**6)
    if dice.random() < 0.7:
        told = {"message_type": "summary", "total_files_processed": files, "total_bytes_processed": size, "snapshot_id": snapshot}
        truth = {"job": "restic", "snapshot": snapshot, "bytes": size, "files": files, "event_outcome": "success"}
        return [_syslog(at, "bk01", "restic[9]", json.dumps(told), 30)], [("backup_event", truth)]
    text = "pg_dump: error: connection to server failed"
    return [_syslog(at, "bk01", "pg_dump[9]", text, 30)], [
        ("backup_event", {"reason": "connection to server failed", "event_outcome": "failure"})
    ]


def rooms(dice: Dice, at: datetime) -> Made:
    """Doors and sensors, in words and pairs."""
    if dice.random() < 0.3:
        card = f"{dice.randint(1, 999999):06d}"
        text = f"机房=一号机房 门=北门 卡号={card} 姓名=李明 事件=刷卡开门 结果=成功 方向=进"
        truth = {"room": "一号机房", "door": "北门", "card": card, "person": "李明", "direction": "in", "event_outcome": "success"}
        return [_syslog(at, "door01", "door", text, 14)], [("door_event", truth)]
    value, hot = dice.randint(100, 400) / 10, dice.random() < 0.1
    text = f"room=R1 sensor=T-{dice.randint(1, 9)} metric=temperature value={value} unit=C state={'alarm' if hot else 'normal'}"
    facts: Truth = {"value": value, "quantity": "temperature", "unit": "C", "event_outcome": "failure" if hot else "success"}
    return [_syslog(at, "env01", "sensor", text, 14)], [("sensor_event", facts)]


def probes(dice: Dice, at: datetime) -> Made:
    """HAProxy's view of its servers."""
    up = dice.random() < 0.5
    text = f"Server be_si/app{dice.randint(1, 4)} is {'UP' if up else 'DOWN'}, reason: Layer4 check passed, check duration: 2ms. 1 active"
    truth = {"state": "up" if up else "down", "reason": "Layer4 check passed", "event_outcome": "success" if up else "failure"}
    return [_syslog(at, "lb01", "haproxy[9]", text, 134)], [("availability_event", truth)]


def application(dice: Dice, at: datetime) -> Made:
    """Audit records of the business applications."""
    user, function, count, ip = dice.user(), dice.choice(FUNCTIONS), dice.randint(0, 5000), dice.address()
    told = {"stream": "app_event", "user": user, "action": "query", "function": function, "record_count": count, "ip": ip, "result": "成功"}
    stamp = at.astimezone(clock.BEIJING).isoformat(timespec="milliseconds")
    line = f"<134>1 {stamp} sbapp01 sbhx 4711 - - {json.dumps(told, ensure_ascii=False)}"
    truth = {
        "timestamp": at, "host_name": "sbapp01", "user_name": user, "function": function, "record_count": count, "source_ip": ip,
        "event_action": "query", "event_outcome": "success",
    }  # fmt: skip
    return [line], [("app_event", truth)]


def platform(dice: Dice, at: datetime) -> Made:
    """Make what this platform and its neighbors feed: gateway, beacon, copies, content scans."""
    user, ip, when = dice.choice(USERS[:5]), dice.address(), at.astimezone(clock.BEIJING).isoformat(timespec="milliseconds")
    stream, more = dice.choice(
        (
            ("gateway_event", {"target_host": "sbdb01", "command": 'ls -l "a b"', "action": "command"}),
            ("beacon_event", {"beacon": "b1", "action": "reached"}),
            ("copy_event", {"document": "D17", "copy": "3", "action": "opened"}),
            ("discovery_event", {"target": "sbdb01", "object_name": "t.idcard", "data_kind": "身份证号", "action": "found"}),
        )
    )
    told = {"stream": stream, "time": when, "user": user, "ip": ip, "result": "ok"} | more
    truth = {("event_action" if name == "action" else name): value for name, value in more.items()}
    return [json.dumps(told, ensure_ascii=False)], [(stream, truth | {"timestamp": at, "user_name": user, "source_ip": ip})]


# Weight: of a hundred-odd records, how many are of this kind.
KINDS: dict[str, tuple[int, Callable[[Dice, datetime], Made]]] = {
    "sshd": (8, sshd), "sudo": (2, sudo), "cron": (4, cron), "auditd": (10, auditd), "nginx": (14, nginx), "exchange": (6, exchange),
    "squid": (8, squid), "bind": (12, bind), "dhcp": (3, dhcp), "radius": (2, radius), "accounting": (1, accounting),
    "postgresql": (6, postgresql), "mariadb": (4, mariadb), "huawei": (10, huawei), "h3c": (6, h3c), "windows": (6, windows),
    "usb": (1, usb), "clamav": (1, clamav), "backups": (1, backups), "rooms": (2, rooms), "probes": (1, probes),
    "application": (6, application), "platform": (2, platform),
}  # fmt: skip
