/* +++
name = "links_not_outgrown"
title = "What passes between two networks stays inside the addresses, ports and dates of a link that the leading group approved"
streams = ["flow_event"]
registers = [
    "link", "link_network", "link_port", "approval", "zone", "zone_network", "unit", "person", "interconnection_network", "device", "interface",
]
parameters = []
window_days = 7
mode = "append"
+++ */
-- Who asked whom on which port on a Beijing day; the answers of what was asked are not asked again.
SELECT asker AS source_ip, asked AS destination_ip, protocol, port, day, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
-- part: network/asked
)
GROUP BY source_ip, destination_ip, protocol, port, day;

-- Art. 31, obligation A31.2, the part that flows prove. Two networks for which a link stands, or stood, in the register: two zones of the
-- bureau, or one and the internet. Whatever passes between them, either way, is held by a link of theirs that was believed and held then, with
-- both addresses and the port; what a link recorded later reaches back over is regularized; the rest has grown beyond what was approved. Of a
-- day the first and the last contact are judged, as in A09.1. Visitors from the internet to the area that serves it are no growth, what
-- passes with an outside body is A10.4's, and whoever operates by a jump host passes on the ports of remote operation. Two zones that meet
-- though no link of theirs was ever approved show no growth of anything: what they may reach nobody can say. What was not seen for a week is
-- over.
WITH
fact AS (
    SELECT source_ip, destination_ip, protocol, port, day, min(first_at) AS first_at, max(last_at) AS last_at, sum(times) AS times,
           arg_min(first_line, first_at) AS first_line, arg_max(last_line, last_at) AS last_line
    FROM facts WHERE last_at > $since GROUP BY source_ip, destination_ip, protocol, port, day
),
address AS (SELECT ip, ip_key(ip) AS k FROM (SELECT source_ip AS ip FROM fact UNION SELECT destination_ip FROM fact)),
-- part: network/zones
-- part: network/sides
jump AS (
    SELECT DISTINCT ip FROM (
        SELECT unnest(from_json(i.addresses, '["VARCHAR"]')) AS ip
        FROM interface i JOIN device d ON d.id = i.device_id WHERE d.kind = 'jump_host' AND d.state = 'in_service'
    )
),
outside AS (SELECT DISTINCT a.ip FROM address a JOIN interconnection_network n ON n.side = 'peer' AND a.k BETWEEN n.first AND n.last),
meeting AS (
    SELECT s.*, least(coalesce(x_zone, 0), coalesce(y_zone, 0)) AS one, greatest(coalesce(x_zone, 0), coalesce(y_zone, 0)) AS two
    FROM sided s
    WHERE x_kind IS NOT NULL AND y_kind IS NOT NULL AND x_zone IS DISTINCT FROM y_zone
      AND NOT (x_kind = 'internet' AND y_kind = 'dmz')
      AND source_ip NOT IN (SELECT ip FROM outside) AND destination_ip NOT IN (SELECT ip FROM outside)
      AND NOT (coalesce(protocol, 'tcp') = 'tcp' AND port IN (22, 3389, 5985, 5986) AND source_ip IN (SELECT ip FROM jump))
      AND NOT (coalesce(protocol, 'tcp') = 'tcp' AND port IN (22, 443, 3389) AND destination_ip IN (SELECT ip FROM jump))
),
pair AS (
    SELECT DISTINCT least(coalesce(near_zone, 0), coalesce(far_zone, 0)) AS one, greatest(coalesce(near_zone, 0), coalesce(far_zone, 0)) AS two
    FROM version
),
crossing AS (
    SELECT row_number() OVER (ORDER BY m.source_ip, m.destination_ip, m.protocol, m.port, m.day) AS n, m.*,
           CASE WHEN m.x_zone IS NULL THEN m.destination_ip ELSE m.source_ip END AS inner_ip,
           CASE WHEN m.x_zone IS NULL THEN m.source_ip ELSE m.destination_ip END AS outer_ip,
           coalesce(m.x_zone, m.y_zone) AS inner_zone, CASE WHEN m.x_zone IS NOT NULL THEN m.y_zone END AS outer_zone
    FROM meeting m JOIN pair p ON p.one = m.one AND p.two = m.two
),
-- part: network/covered
-- Which contact of the two is told, and which link of the two networks it is nearest to: by dates, then addresses, then ports.
state AS (
    SELECT *, CASE WHEN state = 'no' AND (last_held OR last_later) OR state <> 'no' AND last_held THEN 'first' ELSE 'last' END AS which FROM judged
),
nearest AS (
    SELECT * FROM (
        SELECT *, row_number() OVER (PARTITION BY n ORDER BY in_dates DESC, addresses_fit DESC, ports_fit DESC, code, held_from DESC) AS place
        FROM (
            SELECT b.n, b.code, b.addresses_fit, b.ports_fit, b.held_from, t.at_ >= b.held_from AND t.at_ < b.held_to AS in_dates
            FROM beside b JOIN (SELECT n, which FROM state WHERE state IN ('no', 'later')) s ON s.n = b.n,
                 LATERAL (SELECT CASE WHEN s.which = 'first' THEN b.first_at ELSE b.last_at END AS at_) t
        )
    ) WHERE place = 1
),
-- The one who answers for a code is the newest row's.
owner AS (
    SELECT l.code, arg_max(l.name, l.valid_from) AS name, arg_max(u.code, l.valid_from) AS unit, arg_max(p.code, l.valid_from) AS person,
           bool_or(l.valid_from <= $at AND (l.valid_to IS NULL OR l.valid_to > $at)) AS live
    FROM link l JOIN unit u ON u.id = l.unit_id LEFT JOIN person p ON p.id = l.person_id WHERE l.superseded_at IS NULL GROUP BY l.code
),
told AS (
    SELECT c.*, s.state, o.code, o.name, o.unit, o.person,
           CASE WHEN NOT n.in_dates THEN 'dates' WHEN NOT n.addresses_fit THEN 'addresses' WHEN NOT n.ports_fit THEN 'ports' ELSE 'dates' END AS left_out,
           coalesce(c.protocol || '/' || c.port, c.protocol, CAST(c.port AS VARCHAR), '') AS service,
           CASE WHEN s.which = 'first' THEN c.first_at ELSE c.last_at END AS at_,
           CASE WHEN s.which = 'first' THEN [c.first_line] ELSE [c.last_line, c.first_line] END AS lines
    FROM crossing c JOIN state s ON s.n = c.n JOIN nearest n ON n.n = c.n JOIN owner o ON o.code = n.code
),
unlinked AS (
    SELECT z.code AS zone_code, z.name AS zone, z.unit, y.code AS other_code, y.name AS other, m.source_ip, m.destination_ip, m.last_at
    FROM meeting m JOIN own_zone z ON z.id = m.one JOIN own_zone y ON y.id = m.two
    WHERE NOT EXISTS (SELECT 1 FROM pair p WHERE p.one = m.one AND p.two = m.two)
),
watch AS (SELECT count(*) > 0 AS alive FROM facts WHERE last_at > $since)
SELECT 'subject' AS kind, 'link:' || code AS key, name AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM owner, watch WHERE alive AND live
UNION ALL
SELECT CASE WHEN state = 'no' THEN 'breach' ELSE 'regularized' END, 'link:' || code, any_value(name), any_value(unit), any_value(person),
       'link_outgrown_' || left_out,
       to_json({
           'link': any_value(name), 'source': arg_max(source_ip, at_), 'destination': arg_max(destination_ip, at_), 'service': arg_max(service, at_),
           'at': strftime(max(at_) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': sum(times),
           'ways': count(DISTINCT source_ip || ' ' || destination_ip || ' ' || service)
       }),
       list_distinct(flatten(list(lines ORDER BY at_ DESC)))[1:20], min(first_at), left_out
FROM told WHERE state IN ('no', 'later') GROUP BY code, left_out, state
UNION ALL
SELECT 'unknown', 'zones:' || zone_code || '-' || other_code, any_value(zone || '—' || other), any_value(unit), NULL, 'zones_meet_without_link',
       to_json({
           'zone': any_value(zone), 'other': any_value(other), 'source': arg_max(source_ip, last_at), 'destination': arg_max(destination_ip, last_at)
       }), NULL, NULL, ''
FROM unlinked GROUP BY zone_code, other_code
UNION ALL
SELECT 'unknown', 'zones:' || min(z.code), min(z.name), z.unit, NULL, 'outside_traffic_across_pause',
       to_json({'inner': min(c.inner_ip), 'peer': min(c.outer_ip)}), NULL, NULL, ''
FROM crossing c JOIN judged j ON j.n = c.n JOIN own_zone z ON z.id = c.inner_zone WHERE j.state = 'gap' GROUP BY z.unit
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'no_flows_beside_links', to_json({'links': count(*)}), NULL, NULL, ''
FROM owner, watch WHERE NOT alive AND live GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_zones', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM own_zone) = 0
ORDER BY ALL
