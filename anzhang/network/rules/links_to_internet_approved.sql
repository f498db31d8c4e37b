/* +++
name = "links_to_internet_approved"
title = "No internal zone is joined to the internet without a link that the leading group approved"
streams = ["flow_event", "sighting_event"]
registers = ["link", "link_network", "approval", "zone", "zone_network", "device", "interface", "unit", "person"]
parameters = []
window_days = 7
mode = "append"
+++ */
-- Signs of a way out on a Beijing day: an address of ours translated into one of the internet (nat), a neighbor of the internet on a routing
-- protocol or a cable (neighbor), a hardware address with an address of the internet (gateway); which addresses a hardware address bears
-- besides (bears); and that a stream was alive.
SELECT way, host, mac, inner_ip, outer_ip, day, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT 'nat' AS way, timestamp AS at_, line, lower(host_name) AS host, NULL AS mac, source_ip AS inner_ip, nat_ip AS outer_ip,
           CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day
    FROM flow_event WHERE event_outcome IS DISTINCT FROM 'failure' AND is_public(nat_ip) AND NOT is_public(source_ip)
    UNION ALL
    SELECT 'neighbor', timestamp, line, lower(host_name), source_mac, CASE WHEN NOT is_public(source_ip) THEN source_ip END, neighbor,
           CAST(timestamp + INTERVAL 8 HOUR AS DATE)
    FROM sighting_event WHERE is_public(neighbor)
    UNION ALL
    SELECT 'gateway', timestamp, line, lower(host_name), source_mac, NULL, source_ip, CAST(timestamp + INTERVAL 8 HOUR AS DATE)
    FROM sighting_event WHERE source_mac IS NOT NULL AND is_public(source_ip)
    UNION ALL
    SELECT 'bears', timestamp, line, NULL, source_mac, source_ip, NULL, CAST(timestamp + INTERVAL 8 HOUR AS DATE)
    FROM sighting_event WHERE source_mac IS NOT NULL AND source_ip IS NOT NULL AND NOT is_public(source_ip)
    UNION ALL
    SELECT 'alive', timestamp, line, 'flow_event', NULL, NULL, NULL, CAST(timestamp + INTERVAL 8 HOUR AS DATE) FROM flow_event
    UNION ALL
    SELECT 'alive', timestamp, line, 'sighting_event', NULL, NULL, NULL, CAST(timestamp + INTERVAL 8 HOUR AS DATE) FROM sighting_event
)
GROUP BY way, host, mac, inner_ip, outer_ip, day;

-- Art. 9, obligation A09.2. A sign joins the internal zone of its inner address; where it names none, those of the addresses that the same
-- hardware address bears, or that of the device that it belongs to or that told of it. A link covers it if it joins that zone and the
-- internet, was believed and held at that instant, and its prefixes hold the outside address and, where one is known, the inner one; one
-- that was recorded later and reaches back makes it regularized. Of a day the first and the last sign are judged. An address of the
-- internet that lies in a zone of the bureau's own (a public area, dmz) is no way out. What was not seen for a week is over.
WITH
inner_zone AS (
    SELECT z.id, z.code, z.name, u.code AS unit FROM zone z JOIN unit u ON u.id = z.unit_id WHERE z.kind NOT IN ('internet', 'dmz')
),
own_zone AS (SELECT id FROM zone WHERE kind <> 'internet'),
fact AS (
    SELECT way, host, mac, inner_ip, outer_ip, day, min(first_at) AS first_at, max(last_at) AS last_at, sum(times) AS times,
           arg_min(first_line, first_at) AS first_line, arg_max(last_line, last_at) AS last_line
    FROM facts WHERE way <> 'alive' AND last_at > $since GROUP BY way, host, mac, inner_ip, outer_ip, day
),
address AS (SELECT ip, ip_key(ip) AS k FROM (SELECT inner_ip AS ip FROM fact UNION SELECT outer_ip FROM fact) WHERE ip IS NOT NULL),
spot AS (
    SELECT a.ip, first(z.id ORDER BY n.first DESC, n.last, z.id) AS zone_id
    FROM address a JOIN zone_network n ON a.k BETWEEN n.first AND n.last JOIN own_zone z ON z.id = n.zone_id GROUP BY a.ip
),
card AS (SELECT i.mac, d.id AS device_id, d.zone_id FROM interface i JOIN device d ON d.id = i.device_id WHERE i.mac <> ''),
named AS (
    SELECT host, min(id) AS device_id, min(zone_id) AS zone_id
    FROM (SELECT id, zone_id, lower(unnest(list_append(from_json(hosts, '["VARCHAR"]'), name))) AS host FROM device WHERE state = 'in_service') GROUP BY host
),
bears AS (SELECT DISTINCT f.mac, s.zone_id FROM fact f JOIN spot s ON s.ip = f.inner_ip WHERE f.way = 'bears'),
sign AS (
    SELECT f.*, row_number() OVER (ORDER BY f.way, f.host, f.mac, f.inner_ip, f.outer_ip, f.day) AS n
    FROM fact f WHERE f.way <> 'bears' AND f.outer_ip NOT IN (SELECT ip FROM spot)
),
joined AS (
    SELECT s.n, p.zone_id FROM sign s JOIN spot p ON p.ip = s.inner_ip
    UNION
    SELECT s.n, b.zone_id FROM sign s JOIN bears b ON b.mac = s.mac WHERE s.inner_ip IS NULL
    UNION
    SELECT s.n, c.zone_id FROM sign s JOIN card c ON c.mac = s.mac WHERE s.inner_ip IS NULL AND c.zone_id IS NOT NULL
    UNION
    SELECT s.n, h.zone_id FROM sign s JOIN named h ON h.host = s.host
    WHERE s.inner_ip IS NULL AND h.zone_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM bears b WHERE b.mac = s.mac) AND NOT EXISTS (SELECT 1 FROM card c WHERE c.mac = s.mac AND c.zone_id IS NOT NULL)
),
way_out AS (SELECT s.*, z.id AS zone_id, z.code AS zone_code, z.name AS zone, z.unit AS zone_unit FROM sign s JOIN joined j ON j.n = s.n JOIN inner_zone z ON z.id = j.zone_id),
version AS (
    SELECT l.id, greatest(l.valid_from, l.recorded_at) AS held_from,
           least(l.valid_to, l.superseded_at, a.valid_to, TIMESTAMP '9999-01-01') AS held_to,
           l.valid_from, least(l.valid_to, a.valid_to, TIMESTAMP '9999-01-01') AS valid_to, l.superseded_at IS NULL AS stands,
           CASE WHEN f.kind = 'internet' THEN l.near_zone_id ELSE l.far_zone_id END AS inner_zone_id,
           CASE WHEN f.kind = 'internet' THEN 'near' ELSE 'far' END AS inner_side
    FROM link l JOIN approval a ON a.id = l.basis_id AND a.authority = 'leading_group'
    JOIN zone x ON x.id = l.near_zone_id JOIN zone f ON f.id = l.far_zone_id
    WHERE (x.kind = 'internet') <> (f.kind = 'internet')
),
holds AS (
    SELECT DISTINCT a.ip, n.link_id AS id, n.side FROM address a JOIN link_network n ON a.k BETWEEN n.first AND n.last
),
covering AS (
    SELECT w.n, w.zone_id, v.* FROM way_out w JOIN version v ON v.inner_zone_id = w.zone_id
    WHERE EXISTS (SELECT 1 FROM holds h WHERE h.ip = w.outer_ip AND h.id = v.id AND h.side <> v.inner_side)
      AND (w.inner_ip IS NULL OR EXISTS (SELECT 1 FROM holds h WHERE h.ip = w.inner_ip AND h.id = v.id AND h.side = v.inner_side))
),
judged AS (
    SELECT w.n, w.zone_id,
           coalesce(bool_or(w.first_at >= c.held_from AND w.first_at < c.held_to), false) AS first_held,
           coalesce(bool_or(w.last_at >= c.held_from AND w.last_at < c.held_to), false) AS last_held,
           coalesce(bool_or(c.stands AND w.first_at >= c.valid_from AND w.first_at < c.valid_to), false) AS first_later,
           coalesce(bool_or(c.stands AND w.last_at >= c.valid_from AND w.last_at < c.valid_to), false) AS last_later
    FROM way_out w LEFT JOIN covering c ON c.n = w.n AND c.zone_id = w.zone_id GROUP BY w.n, w.zone_id
),
-- It belongs to the device that bears the hardware address, else to the one that told of it.
told AS (
    SELECT w.*, coalesce('device:' || d.code, 'zone:' || w.zone_code) AS key, coalesce(d.name, w.zone) AS label,
           coalesce(du.code, w.zone_unit) AS unit, p.code AS person,
           CASE WHEN NOT (j.first_held OR j.first_later) OR NOT (j.last_held OR j.last_later) THEN 'no'
                WHEN NOT (j.first_held AND j.last_held) THEN 'later' ELSE 'yes' END AS state
    FROM way_out w JOIN judged j ON j.n = w.n AND j.zone_id = w.zone_id
    LEFT JOIN card c ON c.mac = w.mac LEFT JOIN named h ON h.host = w.host
    LEFT JOIN device d ON d.id = coalesce(c.device_id, h.device_id) LEFT JOIN unit du ON du.id = d.unit_id LEFT JOIN person p ON p.id = d.person_id
),
stream AS (SELECT unnest(['flow_event', 'sighting_event']) AS name),
mute AS (
    SELECT name FROM stream WHERE name NOT IN (SELECT host FROM facts WHERE way = 'alive' AND last_at > $since)
)
SELECT 'subject' AS kind, 'zone:' || code AS key, name AS label, unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM inner_zone WHERE (SELECT count(*) FROM mute) < 2
UNION ALL
SELECT CASE WHEN state = 'no' THEN 'breach' ELSE 'regularized' END, key, any_value(label), any_value(unit), any_value(person), 'link_unapproved_' || way,
       to_json({
           'zone': any_value(zone), 'told_by': any_value(label), 'outside': outer_ip, 'inner': coalesce(arg_max(inner_ip, last_at), arg_max(mac, last_at), ''),
           'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': sum(times)
       }),
       list_distinct(flatten(list([last_line, first_line] ORDER BY last_at DESC)))[1:20], min(first_at), way || ' ' || zone_code || ' ' || outer_ip
FROM told WHERE state IN ('no', 'later') GROUP BY key, way, zone_code, outer_ip, state
UNION ALL
SELECT 'unknown', '', '', unit, NULL, CASE WHEN mute.name = 'flow_event' THEN 'no_flows_of_links' ELSE 'no_sightings_of_links' END,
       to_json({'zones': count(*)}), NULL, NULL, ''
FROM inner_zone, mute GROUP BY unit, mute.name
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_inner_zones', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM inner_zone) = 0
ORDER BY ALL
