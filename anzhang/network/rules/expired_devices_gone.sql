/* +++
name = "expired_devices_gone"
title = "No device is seen on the network after its retirement or the end of its life"
streams = ["sighting_event", "admission_event", "flow_event", "auth_event"]
registers = ["device", "interface", "unit", "person"]
parameters = ["service_life_years"]
window_days = 1
+++ */
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
card AS (SELECT device_id, mac FROM interface WHERE mac <> ''),
named AS (SELECT id AS device_id, lower(unnest(from_json(hosts, '["VARCHAR"]'))) AS host FROM life),
-- What another device in service has by right now is that device's, whoever had it before.
taken_ip AS (SELECT p.ip, p.device_id FROM port p JOIN life l ON l.id = p.device_id WHERE l.state = 'in_service'),
taken_host AS (SELECT n.host, n.device_id FROM named n JOIN life l ON l.id = n.device_id WHERE l.state = 'in_service'),
seen AS (
    SELECT timestamp, segment, seq, source_mac AS mac, source_ip AS ip, NULL AS host FROM sighting_event
    UNION ALL SELECT timestamp, segment, seq, source_mac, assigned_ip, NULL FROM admission_event WHERE event_outcome = 'success'
    UNION ALL SELECT timestamp, segment, seq, source_mac, source_ip, NULL FROM flow_event
    UNION ALL SELECT timestamp, segment, seq, NULL, source_ip, lower(host_name) FROM auth_event
),
hit AS (
    SELECT c.device_id, s.timestamp, s.segment, s.seq, s.mac AS known_by, 1 AS rank FROM seen s JOIN card c ON c.mac = s.mac
    UNION ALL
    SELECT p.device_id, s.timestamp, s.segment, s.seq, s.ip, 2 FROM seen s JOIN port p ON p.ip = s.ip
    WHERE (s.mac IS NULL OR p.mac IS NULL OR s.mac = p.mac) AND NOT EXISTS (SELECT 1 FROM taken_ip t WHERE t.ip = p.ip AND t.device_id <> p.device_id)
    UNION ALL
    SELECT n.device_id, s.timestamp, s.segment, s.seq, s.host, 3 FROM seen s JOIN named n ON n.host = s.host
    WHERE NOT EXISTS (SELECT 1 FROM taken_host t WHERE t.host = n.host AND t.device_id <> n.device_id)
),
offence AS (
    SELECT g.*, h.timestamp AS seen_at, h.known_by, h.rank, 'line:' || h.segment || ':' || h.seq AS line
    FROM gone g JOIN hit h ON h.device_id = g.id WHERE h.timestamp >= g.gone_at
)
SELECT 'subject' AS kind, 'device:' || code AS key, name AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM life WHERE (SELECT count(*) FROM seen) > 0
UNION ALL
SELECT 'breach', 'device:' || code, any_value(name), any_value(unit), any_value(person), code_of,
       to_json({
           'device': any_value(name), 'day': CAST(any_value(last_on) AS VARCHAR), 'known_by': first(known_by ORDER BY seen_at DESC, rank),
           'at': strftime(max(seen_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': count(DISTINCT line)
       }),
       list(DISTINCT line ORDER BY line DESC)[1:20], min(seen_at), code_of
FROM offence GROUP BY code, code_of
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'no_sightings', to_json({'devices': count(*)}), NULL, NULL, ''
FROM life WHERE (SELECT count(*) FROM seen) = 0 GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_devices', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM life) = 0
ORDER BY ALL
