/* +++
name = "internal_devices_offline"
title = "No device of an internal zone touches the internet or stands in two zones"
streams = ["beacon_event", "dns_event", "flow_event", "sighting_event"]
registers = ["device", "endpoint", "interface", "zone", "zone_network", "unit", "person"]
parameters = []
window_days = 7
mode = "append"
+++ */
-- Contacts with the internet by the hour, who held which address by the day, and that a stream was alive at all.
SELECT kind, mac, ip, host, slot, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT 'beacon' AS kind, timestamp AS at_, line, source_mac AS mac, source_ip AS ip, lower(device_name) AS host,
           date_trunc('hour', timestamp) AS slot
    FROM beacon_event
    UNION ALL
    SELECT 'dns', timestamp, line, NULL, source_ip, NULL, date_trunc('hour', timestamp)
    FROM dns_event WHERE is_public(server_ip) AND NOT is_public(source_ip)
    UNION ALL
    SELECT 'flow', timestamp, line, source_mac, source_ip, NULL, date_trunc('hour', timestamp)
    FROM flow_event WHERE event_outcome <> 'failure' AND is_public(destination_ip) AND NOT is_public(source_ip)
    UNION ALL
    SELECT 'inbound', timestamp, line, NULL, destination_ip, NULL, date_trunc('hour', timestamp)
    FROM flow_event WHERE event_outcome <> 'failure' AND is_public(source_ip) AND NOT is_public(destination_ip)
    UNION ALL
    SELECT 'held', timestamp, line, source_mac, source_ip, NULL, date_trunc('day', timestamp + INTERVAL 8 HOUR)
    FROM sighting_event WHERE source_mac IS NOT NULL AND source_ip IS NOT NULL
    UNION ALL
    SELECT 'alive', timestamp, line, NULL, NULL, 'beacon_event', date_trunc('day', timestamp + INTERVAL 8 HOUR) FROM beacon_event
    UNION ALL
    SELECT 'alive', timestamp, line, NULL, NULL, 'dns_event', date_trunc('day', timestamp + INTERVAL 8 HOUR) FROM dns_event
    UNION ALL
    SELECT 'alive', timestamp, line, NULL, NULL, 'flow_event', date_trunc('day', timestamp + INTERVAL 8 HOUR) FROM flow_event
)
GROUP BY kind, mac, ip, host, slot;

-- Art. 9, obligation A09.3. A contact belongs to a device by hardware address, by a fixed address of its own, by who held the address at
-- that instant, or by the name that a beacon was told. Where two held one address in turns, nobody can say which: the address itself is
-- found then, and its zone's unit answers. What was not seen for a week is over.
WITH
inner_zone AS (
    SELECT z.id, z.name, z.kind, u.code AS unit FROM zone z JOIN unit u ON u.id = z.unit_id WHERE z.kind NOT IN ('internet', 'dmz')
),
-- An endpoint without a device of its own stands beside the devices, under a number that none of them has.
kept AS (
    SELECT d.id, 'device:' || d.code AS key, d.name, d.kind, d.hosts, u.code AS unit, p.code AS person, z.name AS zone, d.zone_id
    FROM device d JOIN unit u ON u.id = d.unit_id LEFT JOIN person p ON p.id = d.person_id LEFT JOIN inner_zone z ON z.id = d.zone_id
    WHERE d.state = 'in_service'
    UNION ALL
    SELECT -e.id, 'endpoint:' || e.code, e.name, 'terminal', e.hosts, u.code, p.code, z.name, e.zone_id
    FROM endpoint e JOIN unit u ON u.id = e.unit_id JOIN person p ON p.id = e.person_id LEFT JOIN inner_zone z ON z.id = e.zone_id
    WHERE e.state = 'in_service' AND e.device_id IS NULL
),
inside AS (SELECT * FROM kept WHERE zone IS NOT NULL),
card AS (
    SELECT i.device_id, i.mac FROM interface i WHERE i.mac <> ''
    UNION SELECT coalesce(e.device_id, -e.id), e.mac FROM endpoint e WHERE e.mac <> ''
),
fixed AS (SELECT i.device_id, unnest(from_json(i.addresses, '["VARCHAR"]')) AS ip FROM interface i),
named AS (SELECT id AS device_id, lower(unnest(list_append(from_json(hosts, '["VARCHAR"]'), name))) AS host FROM kept),
contact AS (SELECT * FROM facts WHERE kind IN ('beacon', 'dns', 'flow', 'inbound')),
held AS (SELECT mac, ip, slot, first_at, last_at, first_line, last_line FROM facts WHERE kind = 'held'),
-- Who took the address last before the contact; nobody else may have been seen with it since then.
holder AS (
    SELECT c.kind, c.ip, c.slot, arg_max(h.mac, h.first_at) AS mac,
           count(DISTINCT h.mac) FILTER (WHERE h.last_at >= c.first_at) > 1 AS doubtful
    FROM contact c JOIN held h ON h.ip = c.ip AND h.first_at <= c.first_at AND h.last_at >= c.first_at - INTERVAL 24 HOUR
    WHERE c.mac IS NULL AND NOT EXISTS (SELECT 1 FROM fixed f WHERE f.ip = c.ip)
    GROUP BY c.kind, c.ip, c.slot
),
whose AS (
    SELECT k.device_id, c.*, c.mac AS known_by FROM contact c JOIN card k ON k.mac = c.mac
    UNION ALL
    SELECT f.device_id, c.*, c.ip FROM contact c JOIN fixed f ON f.ip = c.ip WHERE c.mac IS NULL
    UNION ALL
    SELECT k.device_id, c.*, c.ip || ' ' || k.mac
    FROM contact c JOIN holder h ON h.kind = c.kind AND h.ip = c.ip AND h.slot = c.slot AND NOT h.doubtful JOIN card k ON k.mac = h.mac
    WHERE c.mac IS NULL
    UNION ALL
    SELECT n.device_id, c.*, c.host FROM contact c JOIN named n ON n.host = c.host WHERE c.mac IS NULL OR c.mac NOT IN (SELECT mac FROM card)
),
offence AS (SELECT DISTINCT d.*, w.* EXCLUDE (device_id, kind, host), w.kind AS way FROM inside d JOIN whose w ON w.device_id = d.id),
-- Which zone each address is in is asked once for each address.
spot AS (
    SELECT a.ip, z.id AS zone_id, z.name AS zone
    FROM (SELECT DISTINCT ip, ip_key(ip) AS k FROM (SELECT ip FROM held UNION SELECT ip FROM contact WHERE ip IS NOT NULL)) a
    JOIN zone_network n ON a.k BETWEEN n.first AND n.last JOIN zone z ON z.id = n.zone_id
),
-- Contacts of an internal address that belong to no registered device.
stray AS (
    SELECT c.*, z.unit, z.name AS zone FROM contact c JOIN spot s ON s.ip = c.ip JOIN inner_zone z ON z.id = s.zone_id
    WHERE NOT EXISTS (
        SELECT 1 FROM whose w WHERE w.kind = c.kind AND w.slot = c.slot AND w.ip IS NOT DISTINCT FROM c.ip AND w.mac IS NOT DISTINCT FROM c.mac
    )
),
-- What joins networks by trade stands in several.
double AS (
    SELECT d.key, any_value(d.name) AS name, any_value(d.unit) AS unit, any_value(d.person) AS person, h.slot,
           string_agg(DISTINCT s.zone, '、' ORDER BY s.zone) AS zones, min(h.first_at) AS first_at, max(h.last_at) AS last_at,
           list_distinct(flatten(list([h.last_line, h.first_line] ORDER BY h.last_at DESC))) AS lines, any_value(h.mac) AS mac
    FROM (
        SELECT h.mac, h.slot FROM held h JOIN spot s ON s.ip = h.ip GROUP BY h.mac, h.slot HAVING min(s.zone_id) < max(s.zone_id)
    ) m JOIN held h ON h.mac = m.mac AND h.slot = m.slot JOIN spot s ON s.ip = h.ip
    JOIN card c ON c.mac = h.mac JOIN inside d ON d.id = c.device_id
    WHERE d.kind NOT IN ('router', 'switch', 'firewall', 'security', 'wireless')
    GROUP BY d.key, h.slot HAVING min(s.zone_id) < max(s.zone_id)
),
watch AS (SELECT count(*) > 0 AS alive FROM facts WHERE kind = 'alive')
SELECT 'subject' AS kind, key, name AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM inside, watch WHERE alive
UNION ALL
SELECT 'breach', key, any_value(name), any_value(unit), any_value(person), 'device_on_internet',
       to_json({
           'device': any_value(name), 'zone': any_value(zone), 'known_by': arg_max(known_by, last_at), 'way': arg_max(way, last_at),
           'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': sum(times)
       }),
       list_distinct(flatten(list([last_line, first_line] ORDER BY last_at DESC)))[1:20], min(first_at), 'device_on_internet'
FROM offence GROUP BY key
UNION ALL
SELECT 'breach', 'address:' || ip, ip, any_value(unit), NULL, 'address_on_internet',
       to_json({
           'address': ip, 'zone': any_value(zone), 'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': sum(times)
       }),
       list_distinct(flatten(list([last_line, first_line] ORDER BY last_at DESC)))[1:20], min(first_at), 'address_on_internet'
FROM stray GROUP BY ip
UNION ALL
SELECT 'breach', key, any_value(name), any_value(unit), any_value(person), 'device_in_two_zones',
       to_json({
           'device': any_value(name), 'zones': arg_max(zones, last_at), 'known_by': any_value(mac),
           'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M')
       }),
       list_distinct(flatten(list(lines ORDER BY last_at DESC)))[1:20], min(first_at), 'device_in_two_zones'
FROM double GROUP BY key
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'no_watch_of_internet', to_json({'devices': count(*)}), NULL, NULL, ''
FROM inside, watch WHERE NOT alive GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'devices_without_zone', to_json({'devices': count(*), 'device': min(name)}), NULL, NULL, ''
FROM kept WHERE zone_id IS NULL GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_devices', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM kept) = 0
ORDER BY ALL
