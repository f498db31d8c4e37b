"""The columns of the nineteen event streams: what all have, and what each has besides. Names follow the Elastic Common Schema, flat.

The stream names are those of a catalog's `vocabulary.toml`; `docs/formats/streams.md` says what each column holds.
"""

from __future__ import annotations

from functools import cache

import pyarrow as pa

BEFORE = ("timestamp", "ingested", "segment", "seq", "source", "host_name", "user_name", "user_domain", "source_ip")
AFTER = ("event_action", "event_outcome", "repeated", "process_name", "process_pid")
OWN = {
    "auth_event": "source_port method target_user by_user command refusal service session_id logon_type workstation",
    "flow_event": "source_port destination_ip destination_port protocol bytes_out bytes_in packets rule application source_zone"
    " destination_zone interface_in interface_out source_mac nat_ip nat_port duration_ms method url status",
    "dns_event": "source_port question_name question_type question_class server_ip response_code answer",
    "beacon_event": "source_mac beacon url user_agent device_name",
    "admission_event": "source_mac nas_ip nas_name nas_port vlan session_id assigned_ip bytes_in bytes_out duration_s reason",
    "sighting_event": "source_mac device_name interface server_ip neighbor vlan lease_seconds",
    "db_event": "source_port database_name application_name statement_class command object_kind object_name statement rows session_id"
    " error_code",
    "gateway_event": "source_port target_host target_account session_id command path bytes approval",
    "process_event": "executable command_line working_directory parent_pid parent_name target_user file_hash session_id rule",
    "file_event": "path new_path file_hash bytes executable rule",
    "peripheral_event": "vendor_id product_id serial device_kind device_name device_path mount_point filesystem volume",
    "api_event": "source_port client interface method url status bytes_out bytes_in duration_ms user_agent referrer request_id",
    "app_event": "application function object_kind object_id record_count reason session_id request_id unit",
    "availability_event": "target service state duration_ms reason",
    "sensor_event": "room sensor quantity value unit state",
    "door_event": "room door card person direction reason",
    "backup_event": "job target snapshot object_name bytes files duration_s reason",
    "copy_event": "document copy watermark reason",
    "discovery_event": "target object_name data_kind grade count rule",
}
STREAMS = tuple(OWN)
SMALL = {"repeated": (1_000_000, 1)} | dict.fromkeys(
    ("source_port", "destination_port", "nat_port"), (65535, -1)
)  # the most such a column holds; its value where nothing is captured
INT32 = {*SMALL, "process_pid", "parent_pid", "status"}
INT64 = {
    *("seq", "bytes", "bytes_in", "bytes_out", "packets", "rows", "files", "count", "record_count"),
    *("duration_ms", "duration_s", "lease_seconds"),
}
REAL = {"value"}
INSTANTS = {"timestamp", "ingested"}
ADDRESSES = {"source_ip", "destination_ip", "nat_ip", "nas_ip", "server_ip", "assigned_ip"}
MACS = {"source_mac"}
FEW = {"segment", "source", "host_name", "user_domain", "event_action", "event_outcome", "process_name"}  # dictionary-coded from the start


@cache
def schema(stream: str) -> pa.Schema:
    """Return the columns of a stream. Raises KeyError for a name that is none."""
    return pa.schema([(name, kind_of(name)) for name in (*BEFORE, *OWN[stream].split(), *AFTER)])


def kind_of(name: str) -> pa.DataType:
    """Return the type of a column by its name."""
    if name in INSTANTS:
        return pa.timestamp("us", "UTC")
    if name in INT32:
        return pa.int32()
    if name in INT64:
        return pa.int64()
    return pa.float64() if name in REAL else pa.string()
