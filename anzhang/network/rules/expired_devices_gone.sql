/* +++
name = "expired_devices_gone"
title = "No device is seen on the network after its retirement or the end of its life"
streams = ["sighting_event", "admission_event", "flow_event", "auth_event"]
registers = ["device", "interface", "unit", "person"]
parameters = ["service_life_years"]
window_days = 1
mode = "append"
+++ */
-- What was seen on a Beijing day: a hardware address, an address, a name.
SELECT mac, ip, host, day, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT timestamp AS at_, line, source_mac AS mac, source_ip AS ip, NULL AS host, CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day
    FROM sighting_event
    UNION ALL
    SELECT timestamp, line, source_mac, assigned_ip, NULL, CAST(timestamp + INTERVAL 8 HOUR AS DATE)
    FROM admission_event WHERE event_outcome = 'success'
    UNION ALL
    SELECT timestamp, line, source_mac, source_ip, NULL, CAST(timestamp + INTERVAL 8 HOUR AS DATE) FROM flow_event
    UNION ALL
    SELECT timestamp, line, NULL, source_ip, lower(host_name), CAST(timestamp + INTERVAL 8 HOUR AS DATE) FROM auth_event
)
GROUP BY mac, ip, host, day;

-- Art. 9, obligation A09.6. A device is seen by its hardware address, by a fixed address of its own, or by the name that its own log
-- lines bear. The last day still counts as in service: it must be gone from the next Beijing midnight on (UTC + 8 h). What was not
-- seen for a whole day is gone, so unplugging it closes the finding; so does an approved longer life.
WITH
life AS (
    SELECT d.id, d.code, d.name, u.code AS unit, p.code AS person, d.hosts, d.state, d.retired_on,
           coalesce(d.approved_end_on, d.vendor_end_on,
                    CAST(d.in_service_on + to_years(CAST($service_life_years AS INTEGER)) AS DATE) - 1) AS end_on
    FROM device d JOIN unit u ON u.id = d.unit_id LEFT JOIN person p ON p.id = d.person_id
),
gone AS (
    SELECT *, CASE WHEN retired_on IS NOT NULL AND (end_on IS NULL OR retired_on <= end_on) THEN 'device_seen_after_retirement'
                   ELSE 'device_seen_after_end' END AS code_of,
           least(coalesce(retired_on, end_on), coalesce(end_on, retired_on)) AS last_on,
           CAST(least(coalesce(retired_on, end_on), coalesce(end_on, retired_on)) + 1 AS TIMESTAMP) - INTERVAL 8 HOUR AS gone_at
    FROM life WHERE retired_on IS NOT NULL OR end_on IS NOT NULL
),
port AS (SELECT device_id, nullif(mac, '') AS mac, unnest(from_json(addresses, '["VARCHAR"]')) AS ip FROM interface),
named AS (SELECT id AS device_id, lower(unnest(from_json(hosts, '["VARCHAR"]'))) AS host FROM life),
-- What another device in service has by right now is that device's, whoever had it before.
taken_ip AS (SELECT p.ip, p.device_id FROM port p JOIN life l ON l.id = p.device_id WHERE l.state = 'in_service'),
taken_host AS (SELECT n.host, n.device_id FROM named n JOIN life l ON l.id = n.device_id WHERE l.state = 'in_service'),
-- Only those that are gone are looked for among what was seen.
card AS (SELECT device_id, mac FROM interface SEMI JOIN gone ON gone.id = device_id WHERE mac <> ''),
gone_port AS (SELECT p.* FROM port p SEMI JOIN gone ON gone.id = p.device_id),
gone_name AS (SELECT n.* FROM named n SEMI JOIN gone ON gone.id = n.device_id),
hit AS (
    SELECT c.device_id, f.*, f.mac AS known_by, 1 AS rank FROM facts f JOIN card c ON c.mac = f.mac
    UNION ALL
    SELECT p.device_id, f.*, f.ip, 2 FROM facts f JOIN gone_port p ON p.ip = f.ip
    WHERE (f.mac IS NULL OR p.mac IS NULL OR f.mac = p.mac) AND NOT EXISTS (SELECT 1 FROM taken_ip t WHERE t.ip = p.ip AND t.device_id <> p.device_id)
    UNION ALL
    SELECT n.device_id, f.*, f.host, 3 FROM facts f JOIN gone_name n ON n.host = f.host
    WHERE NOT EXISTS (SELECT 1 FROM taken_host t WHERE t.host = n.host AND t.device_id <> n.device_id)
),
offence AS (
    SELECT g.*, h.first_at, h.last_at, h.times, h.known_by, h.rank, h.first_line, h.last_line
    FROM gone g JOIN hit h ON h.device_id = g.id WHERE h.first_at >= g.gone_at
),
-- A day seen by hardware address and by name is seen twice, of the same lines or of others: the ways are not added up.
told AS (
    SELECT code, code_of, rank, sum(times) AS times FROM offence GROUP BY code, code_of, rank
)
SELECT 'subject' AS kind, 'device:' || code AS key, name AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM life WHERE (SELECT count(*) FROM facts) > 0
UNION ALL
SELECT 'breach', 'device:' || o.code, any_value(name), any_value(unit), any_value(person), o.code_of,
       to_json({
           'device': any_value(name), 'day': CAST(any_value(last_on) AS VARCHAR), 'known_by': first(known_by ORDER BY last_at DESC, rank),
           'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'),
           'times': (SELECT max(t.times) FROM told t WHERE t.code = o.code AND t.code_of = o.code_of)
       }),
       list_distinct(flatten(list([last_line, first_line] ORDER BY last_at DESC)))[1:20], min(first_at), o.code_of
FROM offence o GROUP BY o.code, o.code_of
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'no_sightings', to_json({'devices': count(*)}), NULL, NULL, ''
FROM life WHERE (SELECT count(*) FROM facts) = 0 GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_devices', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM life) = 0
ORDER BY ALL
